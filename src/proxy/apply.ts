import type { Logger } from '../lib/log.ts';
import type { ServicePort } from '../servicemap/service-port.ts';
import type { Changes, Plan, ProxyMode, StaleFlow } from './mode.ts';

export interface ApplierOptions {
  mode: ProxyMode;
  /** Runs a transaction: all of it or nothing. */
  run: (plan: Plan) => Promise<void>;
  /** Forgets UDP flows that lead nowhere now. */
  forget: (flows: readonly StaleFlow[]) => Promise<void>;
  log: Logger;
}

/** Refusals in one go that are looked into one by one; with more, something else is wrong than a Service. */
const REFUSALS_MAX = 32;

/** Brings changes into the kernel. A Service whose rules are refused is named and kept for later; the others go through. */
export class Applier {
  readonly #options: ApplierOptions;
  readonly #refused = new Map<string, readonly ServicePort[]>();

  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  /** Services that wait to be tried again. */
  get refused(): ReadonlySet<string> {
    return new Set(this.#refused.keys());
  }

  /**
   * Replaces everything: over what is there, so that clients stay remembered, or else from scratch, as after a version with
   * other tables. Rejects when not even the rules without any Service go through; then nothing was changed.
   */
  async replace(all: Changes): Promise<void> {
    const { mode, log } = this.#options;
    try {
      await this.#transact(mode.reset(all)).catch(() => this.#transact(mode.reset(all, 'scratch')));
      this.#refused.clear();
    } catch (error) {
      log.error('rules of all Services were refused, and are tried apart', { services: all.size, error });
      await this.#transact(mode.reset(new Map(), 'scratch'));
      this.#refused.clear();
      await this.#divide(all);
    }
  }

  async update(changes: Changes): Promise<void> {
    for (const service of changes.keys()) this.#refused.delete(service);
    if (changes.size > 0) await this.#divide(changes);
  }

  /**
   * Replaces everything but what was refused, in one transaction, and then tries that once more: the kernel may hold something
   * else than what is thought. Rejects when the transaction is refused; then nothing was changed.
   */
  async renew(all: Changes): Promise<void> {
    await this.#transact(
      this.#options.mode.reset(new Map([...all].filter(([service]) => !this.#refused.has(service)))),
    );
    await this.retry();
  }

  /** Tries once more what was refused. */
  async retry(): Promise<void> {
    await this.update(new Map(this.#refused));
  }

  /** One transaction, or two halves of it when it is refused, down to the Services at fault. */
  async #divide(all: Changes): Promise<void> {
    const before = this.#refused.size;
    const parts: Changes[] = [all];
    for (let part = parts.pop(); part; part = parts.pop()) {
      try {
        await this.#transact(this.#options.mode.update(part));
      } catch (error) {
        if (part.size > 1 && this.#refused.size - before < REFUSALS_MAX) parts.push(...halves(part));
        else this.#refuse(part, error);
      }
    }
  }

  #refuse(part: Changes, error: unknown): void {
    for (const [service, ports] of part) this.#refused.set(service, ports);
    const [first] = part.keys();
    this.#options.log.error('rules were refused', { service: first, services: part.size, error });
  }

  async #transact(plan: Plan): Promise<void> {
    const { run, forget, log } = this.#options;
    if (plan.commands !== '') await run(plan);
    plan.commit();
    for (const conflict of plan.conflicts) log.warn('address and port belong to another Service', { ...conflict });
    if (plan.staleFlows.length === 0) return;
    await forget(plan.staleFlows).catch((error: unknown) => log.warn('UDP flows could not be forgotten', { error }));
  }
}

/** The first half is last: it is taken first. */
function halves(changes: Changes): [Changes, Changes] {
  const entries = [...changes];
  const middle = Math.ceil(entries.length / 2);
  return [new Map(entries.slice(middle)), new Map(entries.slice(0, middle))];
}
