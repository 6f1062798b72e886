import type { Clock } from '../lib/clock.ts';
import type { PodInfo } from './pod-info.ts';

interface Waiting {
  readonly info: PodInfo;
  /** Ms since the epoch before which it is not tried again. */
  readonly notBefore: number;
  woken: boolean;
}

const FIRST_MS = 100;
const LONGEST_MS = 10_000;
/** Even when nothing seems to have changed for a pod, it is tried again after this time. */
const FORGOTTEN_MS = 60_000;

/** Pods that need a node: the most important first, then the one that came first. Those that had no luck wait for a change. */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #onReady: () => void;
  /** Priority → uid → pod. */
  readonly #ready = new Map<number, Map<string, PodInfo>>();
  readonly #waiting = new Map<string, Waiting>();
  /** Uid → how often it had no luck in a row. */
  readonly #failures = new Map<string, number>();
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;

  #stopped = false;

  constructor(options: { clock: Clock; onReady: () => void }) {
    this.#clock = options.clock;
    this.#onReady = options.onReady;
  }

  /** A new pod, or one whose spec is another. */
  add(info: PodInfo): void {
    this.#drop(info.uid);
    const bucket = this.#ready.get(info.priority) ?? new Map<string, PodInfo>();
    this.#ready.set(info.priority, bucket.set(info.uid, info));
    this.#onReady();
  }

  pop(): PodInfo | undefined {
    if (this.#ready.size === 0) return undefined;
    const priority = this.#ready.size === 1 ? this.#ready.keys().next().value! : Math.max(...this.#ready.keys());
    const bucket = this.#ready.get(priority)!;
    const [uid, info] = bucket.entries().next().value!;
    bucket.delete(uid);
    if (bucket.size === 0) this.#ready.delete(priority);
    return info;
  }

  /** No node for it: it waits until something that may help happens. `soon`: it has happened already. */
  failed(info: PodInfo, { soon }: { soon: boolean }): void {
    this.#drop(info.uid);
    const failures = (this.#failures.get(info.uid) ?? 0) + 1;
    this.#failures.set(info.uid, failures);
    const now = this.#clock.now();
    const delay = Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS);
    this.#waiting.set(info.uid, { info, notBefore: now + delay, woken: soon });
    this.#schedule(soon ? now + delay : now + FORGOTTEN_MS);
  }

  /** Something happened that may help those that `concerns` says yes to. */
  wake(concerns: (info: PodInfo) => boolean = () => true): void {
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const waiting of [...this.#waiting.values()]) {
      if (!waiting.woken && !concerns(waiting.info)) continue;
      waiting.woken = true;
      if (waiting.notBefore <= now) this.add(waiting.info);
      else next = Math.min(next, waiting.notBefore);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#schedule(next);
  }

  delete(uid: string): void {
    this.#drop(uid);
    this.#failures.delete(uid);
  }

  #drop(uid: string): void {
    this.#waiting.delete(uid);
    for (const [priority, bucket] of this.#ready) {
      if (bucket.delete(uid) && bucket.size === 0) this.#ready.delete(priority);
    }
  }

  #schedule(at: number): void {
    if (this.#stopped || (this.#timer && this.#timer.at <= at)) return;
    this.#timer?.cancel();
    const cancel = this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      this.#timer = undefined;
      const now = this.#clock.now();
      this.wake((info) => this.#waiting.get(info.uid)!.notBefore + FORGOTTEN_MS <= now);
      if (this.#waiting.size > 0) this.#schedule(now + FORGOTTEN_MS);
    });
    this.#timer = { at, cancel };
  }

  /** For good: what has no luck afterwards is not tried again. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}
