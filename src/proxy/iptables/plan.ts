import { staleFlows, udpFlows } from '../flows.ts';
import type { Frontend } from '../frontends.ts';
import type { Changes, FamilyAddresses, Plan } from '../mode.ts';
import type { ChainId } from '../netfilter/chains.ts';
import { RestoreText } from '../netfilter/restore-text.ts';
import { Settler } from '../settler.ts';
import { fixedChains, lastRules } from './base.ts';
import { SHARED_CHAINS, type SharedChain } from './chains.ts';
import { renderService, type ServiceRules } from './rules.ts';

/** More endpoints than that, and rules of Services' own chains tell no names. */
const COMMENTED_ENDPOINTS_MAX = 1000;

/** What the kernel holds of one Service. */
interface Programmed {
  readonly rules: ServiceRules;
  readonly flows: readonly string[];
}

export interface FamilyPlan extends Plan {
  /** All chains that there should be: others of ours are from an earlier time. */
  readonly complete: boolean;
}

/** The iptables mode for one family of addresses: chains that changed are sent, and no others. */
export class FamilyPlanner {
  readonly #addresses: FamilyAddresses;
  readonly #family: 4 | 6;
  #settler: Settler;
  #programmed = new Map<string, Programmed>();
  #comments = true;
  /** Chains of plans that were not committed: a table may have taken them, and another refused. */
  readonly #uncertain = new Set<ChainId>();

  constructor(addresses: FamilyAddresses) {
    this.#addresses = addresses;
    this.#family = addresses.serviceCidr.includes(':') ? 6 : 4;
    this.#settler = new Settler(addresses);
  }

  reset(changes: Changes): FamilyPlan {
    const settler = new Settler(this.#addresses);
    const settled = settler.settle(changes);
    const endpoints = [...settled.won.values()].flat().reduce((sum, one) => sum + one.endpoints.length, 0);
    const comments = endpoints <= COMMENTED_ENDPOINTS_MAX;
    const programmed = this.#program(settled.won, comments);
    const text = new RestoreText();
    for (const [id, rules] of fixedChains(this.#family)) text.write(id, rules);
    for (const chain of SHARED_CHAINS) text.write(chain, this.#sharedRules(chain, programmed));
    for (const { rules } of programmed.values()) for (const [id, own] of rules.own) text.write(id, own);
    return this.#plan(text, {
      complete: true,
      conflicts: settled.conflicts,
      staleFlows: [],
      commit: () => {
        settled.commit();
        this.#settler = settler;
        this.#programmed = new Map([...programmed].filter(([, one]) => !isEmpty(one)));
        this.#comments = comments;
      },
    });
  }

  update(changes: Changes): FamilyPlan {
    const settled = this.#settler.settle(changes);
    const next = this.#program(settled.won, this.#comments);
    const text = new RestoreText();
    for (const id of this.#uncertain) text.remove(id);
    for (const [service, { rules }] of next) this.#renderOwn(text, this.#programmed.get(service)?.rules, rules);
    const after = new Map([...this.#programmed, ...next]);
    for (const chain of SHARED_CHAINS)
      if (this.#uncertain.has(chain) || this.#hasChanged(chain, next))
        text.write(chain, this.#sharedRules(chain, after));
    for (const id of this.#uncertain) this.#renderUncertain(text, id, after);
    return this.#plan(text, {
      complete: false,
      conflicts: settled.conflicts,
      staleFlows: this.#staleFlows(next),
      commit: () => {
        settled.commit();
        for (const [service, one] of next) {
          if (isEmpty(one)) this.#programmed.delete(service);
          else this.#programmed.set(service, one);
        }
      },
    });
  }

  #plan(text: RestoreText, rest: Omit<FamilyPlan, 'commands'>): FamilyPlan {
    const commands = text.toString();
    const touched = text.chains;
    for (const id of touched) this.#uncertain.add(id);
    const commit = () => {
      rest.commit();
      this.#uncertain.clear();
    };
    return { ...rest, commands, commit };
  }

  #program(won: ReadonlyMap<string, readonly Frontend[]>, comments: boolean): Map<string, Programmed> {
    const options = { ...this.#addresses, comments };
    return new Map(
      [...won].map(([service, frontends]) => [
        service,
        { rules: renderService(frontends, options), flows: udpFlows(frontends) },
      ]),
    );
  }

  #renderOwn(text: RestoreText, before: ServiceRules | undefined, after: ServiceRules): void {
    for (const [id, rules] of after.own) if (!same(before?.own.get(id), rules)) text.write(id, rules);
    for (const id of before?.own.keys() ?? []) if (!after.own.has(id)) text.remove(id);
  }

  /** A chain that may be in the kernel in any state: written again, if a Service still has it. */
  #renderUncertain(text: RestoreText, id: ChainId, services: ReadonlyMap<string, Programmed>): void {
    for (const { rules } of services.values()) {
      const own = rules.own.get(id);
      if (own) return text.write(id, own);
    }
    const fixed = fixedChains(this.#family).get(id);
    if (fixed) text.write(id, fixed);
  }

  #hasChanged(chain: SharedChain, next: ReadonlyMap<string, Programmed>): boolean {
    return [...next].some(
      ([service, { rules }]) => !same(this.#programmed.get(service)?.rules.shared[chain] ?? [], rules.shared[chain]),
    );
  }

  #sharedRules(chain: SharedChain, services: ReadonlyMap<string, Programmed>): string[] {
    const rules: string[] = [];
    for (const one of services.values()) rules.push(...one.rules.shared[chain]);
    return [...rules, ...(lastRules(this.#addresses)[chain] ?? [])];
  }

  #staleFlows(next: ReadonlyMap<string, Programmed>) {
    const before = [...next.keys()].flatMap((service) => this.#programmed.get(service)?.flows ?? []);
    return before.length === 0
      ? []
      : staleFlows(
          before,
          [...next.values()].flatMap(({ flows }) => flows),
        );
  }
}

function isEmpty({ rules }: Programmed): boolean {
  return rules.own.size === 0 && Object.values(rules.shared).every((list) => list.length === 0);
}

function same(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a?.length === b.length && a.every((rule, index) => rule === b[index]);
}
