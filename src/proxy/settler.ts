import type { ServicePort } from '../servicemap/service-port.ts';
import { Claims } from './claims.ts';
import { type Frontend, frontendsOf } from './frontends.ts';
import type { Changes, Conflict, FamilyAddresses } from './mode.ts';

export interface Settled {
  /** What each Service gets: those that changed, and those that get what was given up. */
  readonly won: ReadonlyMap<string, readonly Frontend[]>;
  readonly conflicts: readonly Conflict[];
  commit(): void;
}

/** From ports of Services to the frontends that each of them gets, when two may want the same. */
export class Settler {
  readonly #addresses: FamilyAddresses;
  readonly #claims = new Claims<Frontend>();
  /** Ports of Services that did not get all they want. */
  readonly #conflicted = new Map<string, readonly ServicePort[]>();

  constructor(addresses: FamilyAddresses) {
    this.#addresses = addresses;
  }

  settle(changes: Changes): Settled {
    const wanted = new Map([...changes].map(([key, ports]) => [key, frontendsOf(ports, this.#addresses)]));
    for (const heir of this.#claims.heirs(wanted))
      wanted.set(heir, frontendsOf(this.#conflicted.get(heir) ?? [], this.#addresses));
    const { won, conflicts, commit } = this.#claims.settle(wanted);
    return {
      won,
      conflicts,
      commit: () => {
        commit();
        this.#keepConflicted(changes, { services: won.keys(), conflicts });
      },
    };
  }

  #keepConflicted(
    changes: Changes,
    { services, conflicts }: { services: Iterable<string>; conflicts: readonly Conflict[] },
  ): void {
    const losers = new Set(conflicts.map(({ service }) => service));
    for (const service of services) {
      if (!losers.has(service)) this.#conflicted.delete(service);
      else if (changes.has(service)) this.#conflicted.set(service, changes.get(service)!);
    }
  }
}
