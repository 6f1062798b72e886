import type { Conflict } from './mode.ts';

/** An address and port, by name. */
export interface Claim {
  readonly key: string;
}

type Wanted<C extends Claim> = ReadonlyMap<string, readonly C[]>;

export interface Settlement<C extends Claim> {
  /** What each Service gets. */
  readonly won: Map<string, C[]>;
  readonly conflicts: readonly Conflict[];
  commit(): void;
}

/** Which Service an address and port belongs to: who has it keeps it, and who wants it too waits until it is given up. */
export class Claims<C extends Claim> {
  /** Frontend key → Service. */
  readonly #owners = new Map<string, string>();
  /** Service → frontend keys. */
  readonly #owned = new Map<string, readonly string[]>();
  /** Frontend key → Services that wait for it. */
  readonly #waiting = new Map<string, Set<string>>();

  /** Services that wait for what the Services in `wanted` give up. */
  heirs(wanted: Wanted<C>): string[] {
    if (this.#waiting.size === 0) return [];
    const heirs = new Set<string>();
    for (const [service, frontends] of wanted) {
      const keys = new Set(frontends.map(({ key }) => key));
      for (const key of this.#owned.get(service) ?? [])
        if (!keys.has(key)) for (const heir of this.#waiting.get(key) ?? []) heirs.add(heir);
    }
    return [...heirs].filter((heir) => !wanted.has(heir));
  }

  settle(wanted: Wanted<C>): Settlement<C> {
    const taken = this.#kept(wanted);
    const conflicts: Conflict[] = [];
    const won = new Map<string, C[]>();
    for (const [service, frontends] of wanted) {
      const mine = frontends.filter(({ key }) => {
        const owner = taken.get(key) ?? this.#ownerOutside(key, wanted) ?? service;
        if (owner === service) return taken.set(key, service);
        conflicts.push({ service, owner, frontend: key });
        return false;
      });
      won.set(service, mine);
    }
    return { won, conflicts, commit: () => this.#commit(won, conflicts) };
  }

  /** Keys that Services in `wanted` have and still want. */
  #kept(wanted: Wanted<C>): Map<string, string> {
    const kept = new Map<string, string>();
    for (const [service, frontends] of wanted)
      for (const { key } of frontends) if (this.#owners.get(key) === service) kept.set(key, service);
    return kept;
  }

  #ownerOutside(key: string, wanted: Wanted<C>): string | undefined {
    const owner = this.#owners.get(key);
    return owner !== undefined && !wanted.has(owner) ? owner : undefined;
  }

  #commit(won: ReadonlyMap<string, readonly C[]>, conflicts: readonly Conflict[]): void {
    for (const service of won.keys()) {
      for (const key of this.#owned.get(service) ?? []) if (this.#owners.get(key) === service) this.#owners.delete(key);
      this.#owned.delete(service);
    }
    for (const [key, services] of this.#waiting) {
      for (const service of services) if (won.has(service)) services.delete(service);
      if (services.size === 0) this.#waiting.delete(key);
    }
    for (const [service, frontends] of won) {
      if (frontends.length === 0) continue;
      this.#owned.set(service, [...new Set(frontends.map(({ key }) => key))]);
      for (const { key } of frontends) this.#owners.set(key, service);
    }
    for (const { service, frontend } of conflicts)
      this.#waiting.set(frontend, (this.#waiting.get(frontend) ?? new Set()).add(service));
  }
}
