import type { Changes, Plan, ProxyAddresses, ProxyMode } from '../mode.ts';
import { FamilyPlanner } from './plan.ts';

/** The nftables mode: a table for each family of addresses that the cluster has, both in the same transactions. */
export class Planner implements ProxyMode {
  readonly #families: readonly FamilyPlanner[];

  constructor({ ipv6, ...ipv4 }: ProxyAddresses) {
    this.#families = [new FamilyPlanner(4, ipv4), ...(ipv6 ? [new FamilyPlanner(6, ipv6)] : [])];
  }

  reset(changes: Changes, from?: 'scratch'): Plan {
    return join(this.#families.map((family) => family.reset(changes, from)));
  }

  update(changes: Changes): Plan {
    return join(this.#families.map((family) => family.update(changes)));
  }

  cleanup(): string {
    return this.#families.map((family) => family.cleanup()).join('');
  }
}

function join(plans: readonly Plan[]): Plan {
  return {
    commands: plans.map(({ commands }) => commands).join(''),
    conflicts: plans.flatMap(({ conflicts }) => conflicts),
    staleFlows: plans.flatMap(({ staleFlows }) => staleFlows),
    commit: () => plans.forEach(({ commit }) => void commit()),
  };
}
