import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { nodes } from '../api/kinds/node.ts';
import { services } from '../api/kinds/service.ts';
import type { Informers } from '../client/informer.ts';
import type { Conntrack } from '../host/conntrack.ts';
import { type Backoff, createBackoff } from '../lib/backoff.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Family } from '../servicemap/endpoint.ts';
import { ServiceMap } from '../servicemap/service-map.ts';
import { Applier } from './apply.ts';
import type { Changes, ProxyBackend } from './mode.ts';
import type { ProxyObserver } from './observe.ts';
import { Rounds } from './rounds.ts';
import { staleUdp } from './stale-udp.ts';

export interface ProxyOptions {
  informers: Informers;
  backend: ProxyBackend;
  /** Without it, UDP clients stay with endpoints that are gone until they are silent for a while. */
  conntrack?: Conntrack;
  /** Addresses in it that no Service has are stale in the kernel's memory, too. */
  serviceCidrs?: readonly string[];
  nodeName: string;
  /** Families of the cluster's addresses; IPv4 alone when absent. */
  families?: readonly Family[];
  /** Is told of every round. */
  observer?: ProxyObserver;
  /** Milliseconds on a clock of its own that is finer than {@link clock}. */
  elapsedMs?: () => number;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}

/** After so many retries in a row, the kernel may hold something else than what is thought. */
const RETRIES_TO_RENEW = 3;
const ZONE = 'topology.kubernetes.io/zone';

/** A proxy that runs. */
export interface Proxy {
  /** The mode that the rules are in now. */
  backend(): ProxyBackend;
  /**
   * Goes over to another mode: its rules are complete before those of the old one are taken away, so no packet meets none.
   * Rejects when the new rules are refused; then the old mode goes on.
   */
  switchTo(backend: ProxyBackend): Promise<void>;
}

/** Keeps the node's rules as Services want them. Resolves after the first complete set; the rules outlive the process. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { informers, signal, nodeName: name, random } = options;
  const map = new ServiceMap({ name, families: options.families });
  const alarm = createAlarm();
  const rounds = new Rounds(options);
  const unsubscribe = subscribeAll(informers, { map, rounds, name, wake: alarm.ring });
  signal.addEventListener('abort', () => [...unsubscribe, alarm.ring].forEach((end) => void end()), { once: true });
  const followed = [informers.of(services), informers.of(endpointSlices), informers.of(nodes)];
  await Promise.all(followed.map((informer) => informer.whenSynced()));
  const backoff = createBackoff({ firstMs: 50, maxMs: 30_000, random });
  const parts: Parts = {
    options,
    map,
    rounds,
    alarm,
    backoff,
    active: activate(options.backend, options),
    next: undefined,
  };
  await replaceAll(parts);
  void follow(parts);
  return { backend: () => parts.active.backend, switchTo: (backend) => requestSwitch(parts, backend) };
}

interface Active {
  readonly backend: ProxyBackend;
  readonly applier: Applier;
}

interface Parts {
  readonly options: ProxyOptions;
  readonly map: ServiceMap;
  readonly rounds: Rounds;
  readonly alarm: Alarm;
  readonly backoff: Backoff;
  active: Active;
  /** A mode that waits to take over. */
  next: { readonly backend: ProxyBackend; readonly done: PromiseWithResolvers<void> } | undefined;
}

function activate(backend: ProxyBackend, { conntrack, log }: ProxyOptions): Active {
  const applier = new Applier({
    mode: backend.mode,
    run: (plan) => backend.run(plan),
    forget: async (flows) => void (await conntrack?.deleteUdpFlows(flows)),
    log,
  });
  return { backend, applier };
}

/** The last request counts. */
function requestSwitch(parts: Parts, backend: ProxyBackend): Promise<void> {
  parts.next?.done.reject(new Error(`mode ${parts.next.backend.name}: another was asked for meanwhile`));
  parts.next?.backend.close();
  parts.next = { backend, done: Promise.withResolvers<void>() };
  parts.alarm.ring();
  return parts.next.done.promise;
}

async function takeOver(parts: Parts): Promise<void> {
  const { next, options, active: old } = parts;
  if (!next) return;
  parts.next = undefined;
  const fresh = activate(next.backend, options);
  try {
    await fresh.applier.replace(parts.map.snapshot());
  } catch (error) {
    await next.backend.cleanup(old.backend).catch(() => {});
    next.backend.close();
    // What the new mode got done may stand where the old rules were.
    await old.applier
      .renew(parts.map.snapshot())
      .catch((again: unknown) => options.log.error('old rules', { error: again }));
    return next.done.reject(error);
  }
  parts.active = fresh;
  await old.backend
    .cleanup(fresh.backend)
    .catch((error: unknown) => options.log.error('old rules were not removed', { error }));
  old.backend.close();
  next.done.resolve();
}

function subscribeAll(
  informers: Informers,
  { map, rounds, name, wake }: Pick<Parts, 'map' | 'rounds'> & { name: string; wake: () => void },
): (() => void)[] {
  return [
    informers.of(nodes).subscribe(({ type, object }) => {
      if (object.metadata.name !== name || type === 'deleted') return;
      if (map.setZone(object.metadata.labels?.[ZONE])) wake();
    }),
    informers.of(services).subscribe((change) => {
      if (change.type === 'deleted') map.deleteService(change.object);
      else map.setService(change.object);
      if (map.changed) rounds.queued('service');
      wake();
    }),
    informers.of(endpointSlices).subscribe((change) => {
      if (change.type === 'deleted') map.deleteSlice(change.object);
      else map.setSlice(change.object, change.type === 'updated' ? change.old : undefined);
      rounds.queued('endpoint', change.object);
      wake();
    }),
  ];
}

/** The first set. What an earlier process left stays in force until it is in. */
async function replaceAll({ options, map, rounds, active, backoff }: Parts): Promise<void> {
  const { clock, signal, log } = options;
  while (!signal.aborted) {
    try {
      const end = rounds.begin({ full: true });
      map.takeChanges();
      const all = map.snapshot();
      await active.applier.replace(all);
      end(active.applier.refused);
      await forgetStale(options, all);
      return backoff.reset();
    } catch (error) {
      log.error('no rules could be set', { error });
      await sleep(clock, backoff.next(), signal).catch(() => {});
    }
  }
}

/** UDP clients of endpoints that went while no proxy ran. In userspace mode, flows lead to the proxy itself. */
async function forgetStale({ conntrack, serviceCidrs = [], backend, log }: ProxyOptions, all: Changes): Promise<void> {
  if (!conntrack || backend.name === 'userspace') return;
  await conntrack
    .deleteUdpFlowsWhere(staleUdp(all, serviceCidrs))
    .catch((error: unknown) => log.warn('UDP flows could not be forgotten', { error }));
}

async function follow(parts: Parts): Promise<void> {
  const { options, map, rounds, alarm, backoff } = parts;
  const { clock, signal, log } = options;
  let cancel: (() => void) | undefined;
  let retries = 0;
  let due = false;
  const onDue = () => {
    due = true;
    alarm.ring();
  };
  for (; !signal.aborted; await alarm.wait()) {
    await takeOver(parts);
    const { applier } = parts.active;
    const end = rounds.begin({ full: false });
    const changes = map.takeChanges();
    await applier.update(changes);
    if (changes.size > 0) end(applier.refused);
    if (due) {
      retries += 1;
      const renew = () =>
        applier.renew(map.snapshot()).catch((error: unknown) => log.error('rules were refused', { error }));
      await (retries % RETRIES_TO_RENEW === 0 ? renew() : applier.retry());
      cancel = undefined;
      due = false;
      end(applier.refused);
    }
    if (applier.refused.size > 0) cancel ??= clock.after(backoff.next(), onDue);
    else retries = 0;
    if (retries === 0) backoff.reset();
  }
  cancel?.();
}

interface Alarm {
  ring(): void;
  /** Resolves at the next ring, or at once when it rang since the last wait. */
  wait(): Promise<void>;
}

function createAlarm(): Alarm {
  let next = Promise.withResolvers<void>();
  return {
    ring: () => next.resolve(),
    async wait() {
      await next.promise;
      next = Promise.withResolvers();
    },
  };
}
