import { ingressClasses } from '../api/kinds/ingressclass.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { Informers } from '../client/informer.ts';
import { createBackoff } from '../lib/backoff.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { createAlarm } from './alarm.ts';
import { ownClasses } from './classes.ts';
import { followFacts } from './facts.ts';
import { Haproxy, type HaproxyOptions } from './haproxy/haproxy.ts';
import { Names, type Resolution } from './names.ts';
import { reportProblems } from './report.ts';
import { type Publisher, startStatus } from './status.ts';
import { createTabulator } from './table.ts';

export interface IngressOptions {
  readonly client: Client;
  readonly informers: Informers;
  readonly recorder: EventRecorder;
  /**
   * `spec.controller` of the classes that are served.
   * @default 'sampan.dev/ingress'
   */
  readonly controllerName?: string;
  /** Who tells the world about Ingresses: their addresses and what is wrong with them. */
  readonly publisher: Publisher;
  readonly haproxy: Omit<HaproxyOptions, 'clock' | 'log'>;
  /** Asks DNS for the names of ExternalName Services. */
  readonly resolve: (name: string) => Promise<Resolution>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** What runs, for who wants to end more than the following. */
export interface IngressController {
  /** Ends HAProxy itself, which otherwise goes on without this process. */
  stop(): Promise<void>;
}

/** How soon the death of HAProxy, or the end of a removed endpoint's last connection, is noticed. */
const LOOK_MS = 500;

/** Serves Ingresses of the classes of this controller. HAProxy starts with the first of them. */
export function startIngress(options: IngressOptions): IngressController {
  const { informers, clock, log, signal } = options;
  const alarm = createAlarm();
  const names = new Names({ resolve: options.resolve, onChange: alarm.ring, clock, signal });
  const classes = informers.of(ingressClasses);
  const ownClassOf = ownClasses((name) => classes.get(name), options.controllerName);
  const facts = followFacts({ informers, names, ownClassOf, onChange: alarm.ring });
  const haproxy = new Haproxy({ ...options.haproxy, clock, log });
  const status = startStatus({ ...options, ownClassOf });
  const reporter = reportProblems({ ...options, ownClassOf });
  const tabulate = createTabulator();
  const state = { serving: false };
  const round = async () => {
    const table = tabulate(await facts.current());
    if (!state.serving && table.routes.length === 0 && !(await haproxy.running())) return;
    const applied = await haproxy.apply(table);
    state.serving = true;
    if (applied === 'loaded') log.info('HAProxy has a new configuration', { routes: table.routes.length });
    status.served();
    reporter.report(table.problems);
  };
  signal.addEventListener('abort', () => [facts.stop, alarm.ring].forEach((end) => void end()), { once: true });
  void watchOver({ haproxy, state, options, ring: alarm.ring });
  void repeat({ round, wait: alarm.wait, options });
  return { stop: () => haproxy.stop() };
}

interface Repeat {
  round: () => Promise<void>;
  wait: () => Promise<void>;
  options: IngressOptions;
}

async function repeat({ round, wait, options }: Repeat): Promise<void> {
  const { clock, random, log, signal } = options;
  const backoff = createBackoff({ firstMs: 50, maxMs: 10_000, random });
  for (; !signal.aborted; await wait()) {
    for (let done = false; !done && !signal.aborted; ) {
      try {
        await round();
        backoff.reset();
        done = true;
      } catch (error) {
        log.error('routing could not be changed', { error });
        await sleep(clock, backoff.next(), signal).catch(() => {});
      }
    }
  }
}

interface Watch {
  haproxy: Haproxy;
  state: { readonly serving: boolean };
  options: IngressOptions;
  ring: () => void;
}

/** Starts HAProxy again when it has died. */
async function watchOver({ haproxy, state, options, ring }: Watch): Promise<void> {
  const { clock, log, signal } = options;
  while (!signal.aborted) {
    await sleep(clock, LOOK_MS, signal).catch(() => {});
    if (!state.serving || signal.aborted) continue;
    if (await haproxy.running()) await haproxy.sweep().catch(() => 0);
    else {
      log.warn('HAProxy has died');
      haproxy.forget();
      ring();
    }
  }
}
