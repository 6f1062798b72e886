import type { Clock } from '../lib/clock.ts';

export interface MembershipOptions {
  clock: Clock;
  /** This node: always a member. */
  self: string;
  /** A node that was silent for longer is gone. */
  silenceMs: number;
  onChange: () => void;
}

/** Which nodes are alive, by what is heard of them on the LAN: it notices a death sooner than the API server can. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #forget = new Map<string, () => void>();
  /** Until the others have had time to speak, nobody counts as silent: a start must not claim what is theirs. */
  #listening = true;

  constructor(options: MembershipOptions) {
    this.#options = options;
    options.clock.after(options.silenceMs, () => {
      this.#listening = false;
      options.onChange();
    });
  }

  heard(node: string): void {
    const { clock, silenceMs, onChange } = this.#options;
    const isNew = !this.#forget.has(node);
    this.#forget.get(node)?.();
    const lost = () => {
      this.#forget.delete(node);
      onChange();
    };
    this.#forget.set(node, clock.after(silenceMs, lost));
    if (isNew) onChange();
  }

  isAlive(node: string): boolean {
    return this.#listening || node === this.#options.self || this.#forget.has(node);
  }

  close(): void {
    for (const cancel of this.#forget.values()) cancel();
    this.#forget.clear();
  }
}
