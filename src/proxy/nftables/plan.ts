import type { ServicePort } from '../../servicemap/service-port.ts';
import {
  endpointElements,
  type Frontend,
  frontendsOf,
  type ProxyAddresses,
  renderBase,
  renderChooser,
  renderElements,
  serviceElement,
  TABLE,
} from './render.ts';

/** What the kernel holds for one Service. */
interface Programmed {
  readonly services: readonly string[];
  readonly endpoints: readonly string[];
  readonly ips: readonly string[];
}

const NOTHING: Programmed = { services: [], endpoints: [], ips: [] };

/** A transaction and what is true once it went through. */
export interface Plan {
  readonly commands: string;
  commit(): void;
}

/** Knows what is in the kernel, and renders only what differs. Effects are the caller's. */
export class Planner {
  readonly #addresses: ProxyAddresses;
  readonly #programmed = new Map<string, Programmed>();
  readonly #choosers = new Set<number>();
  /** Endpoint address → how many Services use it. */
  readonly #uses = new Map<string, number>();

  constructor(addresses: ProxyAddresses) {
    this.#addresses = addresses;
  }

  /** Replaces the whole table in one transaction: traffic sees the old rules or the new ones. */
  reset(changes: ReadonlyMap<string, readonly ServicePort[]>): Plan {
    this.#programmed.clear();
    this.#choosers.clear();
    this.#uses.clear();
    const { commands, commit } = this.update(changes);
    return { commands: `add table ${TABLE}\ndelete table ${TABLE}\n${renderBase(this.#addresses)}${commands}`, commit };
  }

  update(changes: ReadonlyMap<string, readonly ServicePort[]>): Plan {
    const wanted = new Map([...changes].map(([key, ports]) => [key, this.#program(ports)]));
    const counts = [...changes.values()].flatMap((ports) =>
      frontendsOf(ports, this.#addresses).map((frontend) => frontend.endpoints.length),
    );
    const choosers = new Set(counts.filter((count) => count > 0 && !this.#choosers.has(count)));
    const difference = this.#difference(wanted);
    const commands = [...choosers].map(renderChooser).join('') + difference.commands;
    return {
      commands,
      commit: () => {
        for (const count of choosers) this.#choosers.add(count);
        for (const [key, programmed] of wanted) this.#keep(key, programmed);
        for (const [ip, change] of difference.uses) this.#count(ip, change);
      },
    };
  }

  #program(ports: readonly ServicePort[]): Programmed {
    const frontends = frontendsOf(ports, this.#addresses);
    // Two ports can't claim one address: the first keeps it, as in the API the older Service would.
    const unique = [
      ...new Map(frontends.toReversed().map((frontend): [string, Frontend] => [frontend.key, frontend])).values(),
    ];
    return {
      services: unique.flatMap(serviceElement),
      endpoints: unique.flatMap(endpointElements),
      ips: [...new Set(unique.flatMap((frontend) => frontend.endpoints.map((endpoint) => endpoint.ip)))],
    };
  }

  #difference(wanted: ReadonlyMap<string, Programmed>): { commands: string; uses: Map<string, number> } {
    const remove = { services: [] as string[], endpoints: [] as string[] };
    const add = { services: [] as string[], endpoints: [] as string[] };
    const uses = new Map<string, number>();
    for (const [key, next] of wanted) {
      const now = this.#programmed.get(key) ?? NOTHING;
      for (const part of ['services', 'endpoints'] as const) {
        remove[part].push(...without(now[part], next[part]));
        add[part].push(...without(next[part], now[part]));
      }
      for (const ip of now.ips) uses.set(ip, (uses.get(ip) ?? 0) - 1);
      for (const ip of next.ips) uses.set(ip, (uses.get(ip) ?? 0) + 1);
    }
    const count = (ip: string) => this.#uses.get(ip) ?? 0;
    const gone = [...uses]
      .filter(([ip, change]) => count(ip) > 0 && count(ip) + change === 0)
      .map(([ip]) => `${ip} . ${ip}`);
    const come = [...uses].filter(([ip, change]) => count(ip) === 0 && change > 0).map(([ip]) => `${ip} . ${ip}`);
    const commands = [
      renderElements('delete', 'services', remove.services),
      renderElements('delete', 'endpoints', remove.endpoints),
      renderElements('delete', 'hairpins', gone),
      renderElements('add', 'endpoints', add.endpoints),
      renderElements('add', 'services', add.services),
      renderElements('add', 'hairpins', come),
    ];
    return { commands: commands.join(''), uses };
  }

  #keep(key: string, programmed: Programmed): void {
    if (programmed.services.length === 0) this.#programmed.delete(key);
    else this.#programmed.set(key, programmed);
  }

  #count(ip: string, change: number): void {
    const uses = (this.#uses.get(ip) ?? 0) + change;
    if (uses > 0) this.#uses.set(ip, uses);
    else this.#uses.delete(ip);
  }
}

function without(these: readonly string[], those: readonly string[]): string[] {
  if (those.length === 0) return [...these];
  const set = new Set(those);
  return these.filter((element) => !set.has(element));
}
