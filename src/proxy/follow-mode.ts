import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import type { Informers } from '../client/informer.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { MODE_ANNOTATION, type ModeChoice, parseModeChoice } from './mode.ts';

export interface FollowModeOptions {
  readonly informers: Informers;
  readonly nodeName: string;
  /** What the node runs now; it counts wherever its Node says nothing. */
  readonly configured: ModeChoice;
  /** Rejects when the mode can not be had: the one before goes on. */
  readonly switchTo: (choice: ModeChoice) => Promise<void>;
  /** False when somebody else took the rules away: then the mode is set anew. */
  readonly intact?: () => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const RETRY_MS = 10_000;
const CHECK_MS = 30_000;

/** Changes the mode of the proxy whenever the node's annotation asks for another. */
export function followMode(options: FollowModeOptions): void {
  const { informers, nodeName, configured, signal } = options;
  const follower = new Follower(options);
  const unsubscribe = informers.of(nodes).subscribe(({ type, object }) => {
    if (object.metadata.name !== nodeName || type === 'deleted') return;
    const wanted = wantedBy(object, options) ?? configured;
    follower.want(wanted);
  });
  signal.addEventListener('abort', () => [unsubscribe, () => follower.stop()].forEach((end) => void end()), {
    once: true,
  });
}

function wantedBy({ metadata }: Node, { log }: FollowModeOptions): ModeChoice | undefined {
  const text = metadata.annotations?.[MODE_ANNOTATION];
  const choice = text === undefined ? undefined : parseModeChoice(text);
  if (text !== undefined && !choice) log.warn('the mode that the node asks for is not known', { mode: text });
  return choice;
}

/** One change at a time; what was wanted meanwhile comes next. */
class Follower {
  readonly #options: FollowModeOptions;
  #wanted: ModeChoice;
  #current: ModeChoice;
  #busy = false;
  #cancelRetry: (() => void) | undefined;
  #cancelCheck: () => void;

  constructor(options: FollowModeOptions) {
    this.#options = options;
    this.#wanted = options.configured;
    this.#current = options.configured;
    this.#cancelCheck = this.#checkLater();
  }

  want(choice: ModeChoice): void {
    this.#wanted = choice;
    if (!this.#busy && !this.#cancelRetry) void this.#change();
  }

  stop(): void {
    this.#cancelRetry?.();
    this.#cancelCheck();
  }

  #checkLater(): () => void {
    return this.#options.clock.after(CHECK_MS, () => void this.#check());
  }

  async #check(): Promise<void> {
    const { intact, switchTo, log, signal } = this.#options;
    try {
      if (!this.#busy && intact && !(await intact()) && !signal.aborted) {
        log.warn('rules of Services were taken away by another program, and are set anew');
        await switchTo(this.#current);
      }
    } catch (error) {
      log.error('rules of Services could not be looked at, or not be set anew', { error });
    }
    if (!signal.aborted) this.#cancelCheck = this.#checkLater();
  }

  async #change(): Promise<void> {
    const { switchTo, clock, log } = this.#options;
    this.#busy = true;
    this.#cancelRetry = undefined;
    while (!same(this.#wanted, this.#current)) {
      const next = this.#wanted;
      try {
        await switchTo(next);
        this.#current = next;
        log.info('the mode of the proxy was changed', { ...next });
      } catch (error) {
        log.error('the mode of the proxy was not changed', { ...next, error });
        this.#cancelRetry = clock.after(RETRY_MS, () => void this.#change());
        break;
      }
    }
    this.#busy = false;
  }
}

function same(a: ModeChoice, b: ModeChoice): boolean {
  return a.mode === b.mode && a.scheduler === b.scheduler;
}
