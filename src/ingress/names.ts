import type { Clock } from '../lib/clock.ts';

/** Addresses of a name, and how long they hold. */
export interface Resolution {
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

export interface NamesOptions {
  /** Asks DNS. Rejects when there is no answer. */
  readonly resolve: (name: string) => Promise<Resolution>;
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Known {
  addresses: readonly string[];
  /** Asked for since the last refresh. */
  used: boolean;
}

const REFRESH_SECONDS = { least: 1, most: 60, afterFailure: 5 };
const NAMES_MAX = 1000;

/** Addresses of ExternalName Services: looked up in the background for as long as somebody asks for them. */
export class Names {
  readonly #options: NamesOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: NamesOptions) {
    this.#options = options;
  }

  /** What is known now, sorted; a change is told. */
  lookup(name: string): readonly string[] {
    const known = this.#known.get(name);
    if (known) {
      known.used = true;
      return known.addresses;
    }
    if (this.#known.size < NAMES_MAX) {
      const fresh: Known = { addresses: [], used: true };
      this.#known.set(name, fresh);
      void this.#refresh(name, fresh);
    }
    return [];
  }

  async #refresh(name: string, known: Known): Promise<void> {
    const { resolve, onChange, clock, signal } = this.#options;
    if (signal.aborted) return;
    let again = REFRESH_SECONDS.afterFailure;
    try {
      const { addresses, ttlSeconds } = await resolve(name);
      again = Math.min(Math.max(ttlSeconds, REFRESH_SECONDS.least), REFRESH_SECONDS.most);
      const sorted = [...addresses].sort();
      if (sorted.join() !== known.addresses.join()) {
        known.addresses = sorted;
        onChange();
      }
    } catch {
      // What was known stays: an unreachable DNS server must not take a backend away.
    }
    if (signal.aborted) return;
    const cancel = clock.after(again * 1000, () => {
      signal.removeEventListener('abort', cancel);
      if (known.used) {
        known.used = false;
        void this.#refresh(name, known);
        onChange();
      } else this.#known.delete(name);
    });
    signal.addEventListener('abort', cancel, { once: true });
  }
}
