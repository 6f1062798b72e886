import type { Family, ServicePort } from '../../servicemap/service-port.ts';
import { Claims } from '../claims.ts';
import { type Frontend, frontendsOf } from '../frontends.ts';
import type { Changes, FamilyAddresses, Plan, ProxyMode, StaleFlow } from '../mode.ts';
import { type Arrangement, arrange } from './arrange.ts';
import { type Chain, chainsOf, elementsOf, renderBase, renderChain, renderElements, TABLES } from './render.ts';

/** What the kernel holds for one Service. */
interface Programmed {
  /** `map key : data`. */
  readonly elements: readonly string[];
  readonly lists: ReadonlyMap<string, Arrangement>;
  /** Addresses of endpoints. */
  readonly ips: readonly string[];
}

type Conflicts = Pick<Plan, 'conflicts'>;

const NOTHING: Programmed = { elements: [], lists: new Map(), ips: [] };

/** The rules of one family of addresses, in their flat form: see {@link renderBase}. */
export class FamilyPlanner implements ProxyMode {
  readonly #family: Family;
  readonly #addresses: FamilyAddresses;
  #claims = new Claims<Frontend>();
  #programmed = new Map<string, Programmed>();
  /** Ports of Services that did not get all they want. */
  #conflicted = new Map<string, readonly ServicePort[]>();
  #chains = new Set<string>();
  /** Endpoint address → how many Services use it. */
  #uses = new Map<string, number>();

  constructor(family: Family, addresses: FamilyAddresses) {
    this.#family = family;
    this.#addresses = addresses;
  }

  reset(changes: Changes, from?: 'scratch'): Plan {
    const fresh = new FamilyPlanner(this.#family, this.#addresses);
    const { commands, conflicts, commit } = fresh.update(changes);
    return {
      commands: `${from === 'scratch' ? this.cleanup() : ''}${renderBase({ family: this.#family, ...this.#addresses })}${commands}`,
      conflicts,
      staleFlows: [],
      commit: () => {
        commit();
        this.#become(fresh);
      },
    };
  }

  update(changes: Changes): Plan {
    const wanted = new Map([...changes].map(([key, ports]) => [key, this.#frontendsOf(ports)]));
    for (const heir of this.#claims.heirs(wanted))
      wanted.set(heir, this.#frontendsOf(this.#conflicted.get(heir) ?? []));
    const settlement = this.#claims.settle(wanted);
    const chains = this.#missingChains(settlement.won);
    const programs = new Map([...settlement.won].map(([key, frontends]) => [key, this.#program(key, frontends)]));
    const { remove, add, uses } = this.#difference(programs);
    return {
      commands: this.#render({ chains, remove, add }),
      conflicts: settlement.conflicts,
      staleFlows: staleFlows(remove, add),
      commit: () => {
        settlement.commit();
        for (const { name } of chains) this.#chains.add(name);
        for (const [key, programmed] of programs) this.#keep(key, programmed);
        for (const [ip, change] of uses) this.#count(ip, change);
        this.#keepConflicted({ changes, services: programs.keys(), conflicts: settlement.conflicts });
      },
    };
  }

  cleanup(): string {
    const table = TABLES[this.#family];
    // Deleting what is not there is an error; adding what is there is none.
    return `add table ${table}\ndelete table ${table}\n`;
  }

  #frontendsOf(ports: readonly ServicePort[]): Frontend[] {
    return frontendsOf(
      ports.filter(({ family }) => family === this.#family),
      this.#addresses,
    );
  }

  #render({ chains, remove, add }: { chains: readonly Chain[]; remove: readonly string[]; add: readonly string[] }) {
    return [
      ...chains.map((chain) => renderChain(chain, this.#family)),
      renderElements('delete', remove, this.#family),
      renderElements('add', add, this.#family),
    ].join('');
  }

  #become(other: FamilyPlanner): void {
    this.#claims = other.#claims;
    this.#programmed = other.#programmed;
    this.#conflicted = other.#conflicted;
    this.#chains = other.#chains;
    this.#uses = other.#uses;
  }

  #missingChains(won: ReadonlyMap<string, readonly Frontend[]>): Chain[] {
    const missing = new Map<string, Chain>();
    for (const frontends of won.values())
      for (const chain of frontends.flatMap((frontend) => chainsOf(frontend, this.#family)))
        if (!this.#chains.has(chain.name)) missing.set(chain.name, chain);
    return [...missing.values()];
  }

  #program(key: string, frontends: readonly Frontend[]): Programmed {
    const before = this.#programmed.get(key)?.lists;
    const lists = new Map<string, Arrangement>();
    for (const { list, endpoints } of frontends)
      if (!lists.has(list)) lists.set(list, arrange(endpoints, before?.get(list)));
    return {
      elements: frontends.flatMap((frontend) => elementsOf(frontend, lists.get(frontend.list)!)),
      lists,
      ips: [...new Set([...lists.values()].flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip)))],
    };
  }

  #difference(programs: ReadonlyMap<string, Programmed>) {
    const remove: string[] = [];
    const add: string[] = [];
    const uses = new Map<string, number>();
    for (const [key, next] of programs) {
      const now = this.#programmed.get(key) ?? NOTHING;
      remove.push(...without(now.elements, next.elements));
      add.push(...without(next.elements, now.elements));
      for (const ip of now.ips) uses.set(ip, (uses.get(ip) ?? 0) - 1);
      for (const ip of next.ips) uses.set(ip, (uses.get(ip) ?? 0) + 1);
    }
    for (const [ip, change] of uses) {
      const count = this.#uses.get(ip) ?? 0;
      if (count > 0 && count + change === 0) remove.push(`hairpins ${ip} . ${ip}`);
      if (count === 0 && change > 0) add.push(`hairpins ${ip} . ${ip}`);
    }
    return { remove, add, uses };
  }

  #keep(key: string, programmed: Programmed): void {
    if (programmed.elements.length === 0) this.#programmed.delete(key);
    else this.#programmed.set(key, programmed);
  }

  #keepConflicted({
    changes,
    services,
    conflicts,
  }: { changes: Changes; services: Iterable<string> } & Conflicts): void {
    const losers = new Set(conflicts.map(({ service }) => service));
    for (const service of services) {
      if (!losers.has(service)) this.#conflicted.delete(service);
      else if (changes.has(service)) this.#conflicted.set(service, changes.get(service)!);
    }
  }

  #count(ip: string, change: number): void {
    const uses = (this.#uses.get(ip) ?? 0) + change;
    if (uses > 0) this.#uses.set(ip, uses);
    else this.#uses.delete(ip);
  }
}

/** UDP has no end of connection: flows to an endpoint that a frontend no longer has would go on to it. */
function staleFlows(removed: readonly string[], added: readonly string[]): StaleFlow[] {
  const gone = new Set(removed.map(toFlow).filter((flow) => flow !== undefined));
  if (gone.size === 0) return [];
  for (const element of added) gone.delete(toFlow(element) ?? '');
  return [...gone].map((flow) => {
    const [frontendIp, frontendPort, endpointIp, endpointPort] = flow.split(' ') as [string, string, string, string];
    return { frontendIp, frontendPort: Number(frontendPort), endpointIp, endpointPort: Number(endpointPort) };
  });
}

function toFlow(element: string): string | undefined {
  const match = /^endpoints (\S+) \. udp \. (\d+) \. \S+ : (\S+) \. (\d+)$/.exec(element);
  return match?.slice(1).join(' ');
}

function without(these: readonly string[], those: readonly string[]): readonly string[] {
  if (those.length === 0) return these;
  const set = new Set(those);
  return these.filter((element) => !set.has(element));
}
