import type { ServicePort } from '../../servicemap/service-port.ts';
import { Claims } from '../claims.ts';
import type { Changes, Plan, ProxyAddresses, ProxyMode, StaleFlow } from '../mode.ts';
import { type Arrangement, arrange } from './arrange.ts';
import { type Frontend, frontendsOf } from './frontends.ts';
import { type Chain, chainsOf, elementsOf, renderBase, renderChain, renderElements, TABLE } from './render.ts';

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

/** The nftables mode, in its flat form: see {@link renderBase}. */
export class Planner implements ProxyMode {
  readonly #addresses: ProxyAddresses;
  #claims = new Claims<Frontend>();
  #programmed = new Map<string, Programmed>();
  /** Ports of Services that did not get all they want. */
  #conflicted = new Map<string, readonly ServicePort[]>();
  #chains = new Set<string>();
  /** Endpoint address → how many Services use it. */
  #uses = new Map<string, number>();

  constructor(addresses: ProxyAddresses) {
    this.#addresses = addresses;
  }

  /** Replaces the whole table in one transaction: traffic sees the old rules or the new ones. */
  reset(changes: Changes): Plan {
    const fresh = new Planner(this.#addresses);
    const { commands, conflicts, commit } = fresh.update(changes);
    return {
      commands: `${this.cleanup()}${renderBase(this.#addresses)}${commands}`,
      conflicts,
      staleFlows: [],
      commit: () => {
        commit();
        this.#become(fresh);
      },
    };
  }

  update(changes: Changes): Plan {
    const wanted = new Map([...changes].map(([key, ports]) => [key, frontendsOf(ports, this.#addresses)]));
    for (const heir of this.#claims.heirs(wanted))
      wanted.set(heir, frontendsOf(this.#conflicted.get(heir) ?? [], this.#addresses));
    const settlement = this.#claims.settle(wanted);
    const chains = this.#missingChains(settlement.won);
    const programs = new Map([...settlement.won].map(([key, frontends]) => [key, this.#program(key, frontends)]));
    const { remove, add, uses } = this.#difference(programs);
    return {
      commands: chains.map(renderChain).join('') + renderElements('delete', remove) + renderElements('add', add),
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
    // Deleting what is not there is an error; adding what is there is none.
    return `add table ${TABLE}\ndelete table ${TABLE}\n`;
  }

  #become(other: Planner): void {
    this.#claims = other.#claims;
    this.#programmed = other.#programmed;
    this.#conflicted = other.#conflicted;
    this.#chains = other.#chains;
    this.#uses = other.#uses;
  }

  #missingChains(won: ReadonlyMap<string, readonly Frontend[]>): Chain[] {
    const missing = new Map<string, Chain>();
    for (const frontends of won.values())
      for (const chain of frontends.flatMap(chainsOf))
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
