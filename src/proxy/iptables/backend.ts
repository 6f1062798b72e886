import type { IpFamily, Iptables } from '../../host/iptables.ts';
import type { Changes, Plan, ProxyAddresses, ProxyBackend, ProxyMode } from '../mode.ts';
import { adopt, cleanup, jumpsAreThere } from '../netfilter/adopt.ts';
import { OWNERSHIP } from './base.ts';
import { type FamilyPlan, FamilyPlanner } from './plan.ts';

export interface IptablesPlan extends Plan {
  readonly families: readonly (FamilyPlan & { readonly family: IpFamily })[];
}

/** The iptables mode, for as many families of addresses as there are. */
export class IptablesMode implements ProxyMode {
  readonly #planners: readonly (readonly [IpFamily, FamilyPlanner])[];

  constructor(addresses: ProxyAddresses, families: readonly IpFamily[] = [4, 6]) {
    const of = { 4: addresses, 6: addresses.ipv6 } as const;
    this.#planners = families.flatMap((family) => {
      const own = of[family];
      return own ? [[family, new FamilyPlanner(own)] as const] : [];
    });
  }

  get families(): IpFamily[] {
    return this.#planners.map(([family]) => family);
  }

  reset(changes: Changes): IptablesPlan {
    return this.#join((planner, own) => planner.reset(own), changes);
  }

  update(changes: Changes): IptablesPlan {
    return this.#join((planner, own) => planner.update(own), changes);
  }

  #join(plan: (planner: FamilyPlanner, own: Changes) => FamilyPlan, changes: Changes): IptablesPlan {
    const families = this.#planners.map(([family, planner]) => ({
      ...plan(planner, ofFamily(changes, family)),
      family,
    }));
    return {
      families,
      commands: families
        .filter(({ commands }) => commands !== '')
        .map(({ family, commands }) => (family === 4 ? commands : `# IPv6\n${commands}`))
        .join(''),
      conflicts: families.flatMap(({ conflicts }) => conflicts),
      staleFlows: families.flatMap((one) => one.staleFlows),
      commit: () => families.forEach(({ commit }) => void commit()),
    };
  }
}

/** Services without a port of the family stay named, for they may have had one. */
function ofFamily(changes: Changes, family: IpFamily): Changes {
  return new Map([...changes].map(([key, ports]) => [key, ports.filter((port) => port.family === family)]));
}

/** Rules as Kubernetes' own proxy makes them, through the iptables programs. */
export function iptablesBackend(
  iptables: Iptables,
  addresses: ProxyAddresses,
  families?: readonly IpFamily[],
): ProxyBackend {
  const mode = new IptablesMode(addresses, families);
  return {
    name: 'iptables',
    mode,
    rules: 'iptables',
    async run(plan) {
      for (const { family, commands, complete } of (plan as IptablesPlan).families) {
        if (commands === '') continue;
        await iptables.restore(family, complete ? adopt(commands, await iptables.save(family), OWNERSHIP) : commands);
      }
    },
    async cleanup(heir) {
      if (heir?.rules === 'iptables') return;
      for (const family of mode.families) {
        const commands = cleanup(await iptables.save(family), OWNERSHIP);
        if (commands !== '') await iptables.restore(family, commands);
      }
    },
    async intact() {
      for (const family of mode.families)
        if (!(await jumpsAreThere((table, name) => iptables.chain(family, table, name), OWNERSHIP))) return false;
      return true;
    },
    close: () => {},
  };
}
