import { createHash } from 'node:crypto';
import type { VirtualServer } from '../../host/ipvs.ts';
import type { Endpoint } from '../../servicemap/service-port.ts';
import { staleFlows } from '../flows.ts';
import type { Frontend } from '../frontends.ts';
import type { Changes, FamilyAddresses, IpvsScheduler, Plan, ProxyMode } from '../mode.ts';
import { Settler } from '../settler.ts';
import { renderRules } from './base.ts';
import { Counted } from './counted.ts';
import { addressWords, NO_STATE, renderService, type ServiceState, type Virtual } from './render.ts';
import { renderAllSets, renderSetChanges, type SetElement } from './sets.ts';

/** One change of a virtual server. */
export type Step =
  | { readonly do: 'set'; readonly virtual: VirtualServer }
  | { readonly do: 'delete'; readonly virtual: VirtualServer }
  | { readonly do: 'set server' | 'delete server'; readonly virtual: VirtualServer; readonly server: Endpoint };

export interface IpvsPlan extends Plan {
  readonly steps: readonly Step[];
  /** For `ipset restore`. */
  readonly sets: string;
  readonly addresses: { readonly add: readonly string[]; readonly remove: readonly string[] };
  /** Packet rules; only when all is set anew. */
  readonly rules: string;
  /** Everything that there should be: what the kernel has besides is from an earlier time. */
  readonly complete: boolean;
  /** Of another mode, for IPv6. */
  readonly ipv6: Plan | undefined;
}

const MARK_SHIFT = 16;
const MARKS = 0x7fff;

interface IpvsModeOptions {
  readonly scheduler?: IpvsScheduler | undefined;
  /** Has the Service ports of IPv6. */
  readonly ipv6?: ProxyMode | undefined;
}

/** The ipvs mode: a virtual server in the kernel for each address and port, and sets for all that it can not do itself. */
export class IpvsMode implements ProxyMode {
  readonly #addresses: FamilyAddresses;
  readonly #scheduler: IpvsScheduler;
  readonly #ipv6: ProxyMode | undefined;
  #settler: Settler;
  #held = new Map<string, ServiceState>();
  #elements = new Counted<SetElement>();
  #ips = new Counted<string>();
  /** List of a policy that keeps sources → mark. */
  readonly #marks = new Map<string, number>();
  /** A plan was not committed: the kernel may hold some of it. */
  #uncertain = false;

  constructor(addresses: FamilyAddresses, { scheduler = 'rr', ipv6 }: IpvsModeOptions) {
    this.#addresses = addresses;
    this.#ipv6 = ipv6;
    this.#scheduler = scheduler;
    this.#settler = new Settler(addresses);
  }

  reset(all: Changes, from?: 'scratch'): IpvsPlan {
    const changes = ofFamily(all, 4);
    const settler = new Settler(this.#addresses);
    const settled = settler.settle(changes);
    const states = this.#render(settled.won);
    const [elements, ips] = [new Counted<SetElement>(), new Counted<string>()];
    const wanted = [...states.values()];
    elements
      .difference(
        [],
        wanted.flatMap((state) => state.elements),
      )
      .apply();
    const added = ips.difference(
      [],
      wanted.flatMap((state) => state.addresses),
    );
    added.apply();
    return this.#plan({
      steps: wanted.flatMap((state) => this.#steps(NO_STATE, state)),
      sets: renderAllSets(elements.keys()),
      addresses: { add: added.add, remove: [] },
      rules: renderRules(this.#addresses),
      complete: true,
      ipv6: this.#ipv6?.reset(ofFamily(all, 6), from),
      conflicts: settled.conflicts,
      staleFlows: [],
      commit: () => {
        settled.commit();
        this.#settler = settler;
        this.#held = new Map([...states].filter(([, state]) => !isEmpty(state)));
        this.#elements = elements;
        this.#ips = ips;
      },
    });
  }

  update(all: Changes): IpvsPlan {
    const changes = ofFamily(all, 4);
    const settled = this.#settler.settle(changes);
    const states = this.#render(settled.won);
    const before = [...states.keys()].map((service) => this.#held.get(service) ?? NO_STATE);
    const after = [...states.values()];
    const of = <T>(list: readonly ServiceState[], part: (state: ServiceState) => readonly T[]) => list.flatMap(part);
    const elements = this.#elements.difference(
      of(before, (one) => one.elements),
      of(after, (one) => one.elements),
    );
    const ips = this.#ips.difference(
      of(before, (one) => one.addresses),
      of(after, (one) => one.addresses),
    );
    return this.#plan({
      steps: after.flatMap((state, index) =>
        this.#steps(this.#uncertain ? NO_STATE : before[index]!, state, before[index]!),
      ),
      sets: renderSetChanges(elements.remove, elements.add),
      addresses: ips,
      rules: '',
      complete: false,
      ipv6: this.#ipv6?.update(ofFamily(all, 6)),
      conflicts: settled.conflicts,
      staleFlows: staleFlows(
        of(before, (one) => one.flows),
        of(after, (one) => one.flows),
      ),
      commit: () => {
        settled.commit();
        elements.apply();
        ips.apply();
        for (const [service, state] of states) {
          if (isEmpty(state)) this.#held.delete(service);
          else this.#held.set(service, state);
        }
      },
    });
  }

  #plan(plan: Omit<IpvsPlan, 'commands'>): IpvsPlan {
    const { ipv6 } = plan;
    const commands = describe(plan) + (ipv6?.commands ?? '');
    if (commands !== '') this.#uncertain = true;
    const commit = () => {
      plan.commit();
      ipv6?.commit();
      this.#uncertain = false;
    };
    const conflicts = [...plan.conflicts, ...(ipv6?.conflicts ?? [])];
    return { ...plan, conflicts, commands, commit };
  }

  #render(won: ReadonlyMap<string, readonly Frontend[]>): Map<string, ServiceState> {
    const options = { nodeIps: this.#addresses.nodeIps, markOf: (list: string) => this.#markOf(list) };
    return new Map([...won].map(([service, frontends]) => [service, renderService(frontends, options)]));
  }

  /** The same after a restart, as long as no two lists want the same. */
  #markOf(list: string): number {
    const known = this.#marks.get(list);
    if (known !== undefined) return known;
    const used = new Set(this.#marks.values());
    let number = createHash('sha256').update(list).digest().readUInt16BE(0) & MARKS;
    while (number === 0 || used.has(number << MARK_SHIFT)) number = (number + 1) & MARKS;
    this.#marks.set(list, number << MARK_SHIFT);
    return number << MARK_SHIFT;
  }

  /** From one state of a Service to another; `held` is what may be there and has to go. */
  #steps(before: ServiceState, after: ServiceState, held: ServiceState = before): Step[] {
    const steps: Step[] = [];
    for (const [key, old] of held.virtuals)
      if (!after.virtuals.has(key)) steps.push({ do: 'delete', virtual: this.#virtual(old) });
    for (const [key, wanted] of after.virtuals) {
      const [virtual, old] = [this.#virtual(wanted), before.virtuals.get(key)];
      if (old?.persistenceSeconds !== wanted.persistenceSeconds) steps.push({ do: 'set', virtual });
      const [was, is] = [names(old), names(wanted)];
      for (const [name, server] of is) if (!was.has(name)) steps.push({ do: 'set server', virtual, server });
      for (const [name, server] of names(held.virtuals.get(key)))
        if (!is.has(name)) steps.push({ do: 'delete server', virtual, server });
    }
    return steps;
  }

  #virtual({ address, persistenceSeconds }: Virtual): VirtualServer {
    return { address, persistenceSeconds, scheduler: this.#scheduler };
  }
}

/** Services without a port of the family stay named, for they may have had one. */
function ofFamily(changes: Changes, family: 4 | 6): Changes {
  return new Map([...changes].map(([key, ports]) => [key, ports.filter((port) => port.family === family)]));
}

function names(virtual: Virtual | undefined): Map<string, Endpoint> {
  return new Map((virtual?.servers ?? []).map((server) => [`${server.ip}:${server.port}`, server]));
}

function isEmpty({ virtuals, elements, addresses }: ServiceState): boolean {
  return virtuals.size + elements.length + addresses.length === 0;
}

/** As the programs would be told: `ipvsadm --restore`, `ipset restore`, `ip -batch` and `iptables-restore`. */
function describe({ steps, sets, addresses, rules }: Omit<IpvsPlan, 'commands'>): string {
  const moves = [
    ...addresses.add.map((ip) => `address add ${ip}/32 dev ${DEVICE}\n`),
    ...addresses.remove.map((ip) => `address delete ${ip}/32 dev ${DEVICE}\n`),
  ];
  return [...steps.map(stepWords), sets, ...moves, rules].join('');
}

/** The link that has the addresses of Services. */
export const DEVICE = 'kube-ipvs0';

function stepWords(step: Step): string {
  const { virtual } = step;
  const at = addressWords(virtual.address);
  if (step.do === 'delete') return `-D ${at}\n`;
  if (step.do === 'set') {
    const { scheduler, persistenceSeconds: seconds } = virtual;
    return `-A ${at} -s ${scheduler}${seconds > 0 ? ` -p ${seconds}` : ''}\n`;
  }
  const server = `${step.server.ip}:${step.server.port}`;
  return step.do === 'set server' ? `-a ${at} -r ${server} -m -w 1\n` : `-d ${at} -r ${server}\n`;
}
