import type { Endpoint, ServicePort } from '../../servicemap/service-port.ts';
import type { Changes, FamilyAddresses, Plan, ProxyAddresses, ProxyMode } from '../mode.ts';
import { nameOf, type Targets } from './balancer.ts';
import { PortPool } from './port-pool.ts';

/** One socket of the proxy: clients of an endpoint list of a Service port end there. */
export interface Listener extends Targets {
  /** `default/web:http tcp cluster`. */
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly ip: string;
  readonly port: number;
}

export interface UserspacePlan extends Plan {
  /** Rules that lead clients to listeners. */
  readonly rules: Plan;
  readonly open: readonly Listener[];
  /** The same sockets with other endpoints. */
  readonly retarget: readonly Listener[];
  readonly close: readonly Listener[];
}

type Lists = Pick<ServicePort, 'internal' | 'external' | 'cluster'>;

/** The userspace mode: rules lead to a socket of the proxy, wherever there is an endpoint; the proxy goes on from there. */
export class UserspaceMode implements ProxyMode {
  readonly #addresses: ProxyAddresses;
  readonly #rules: ProxyMode;
  readonly pool: PortPool;
  /** Service → its listeners by name. */
  #held = new Map<string, ReadonlyMap<string, Listener>>();

  constructor(rules: ProxyMode, addresses: ProxyAddresses, pool = new PortPool()) {
    this.#rules = rules;
    this.#addresses = addresses;
    this.pool = pool;
  }

  /** Listeners that go on keep their port: connections that begin meanwhile find them. */
  reset(changes: Changes, from?: 'scratch'): UserspacePlan {
    const gone = [...this.#held.keys()].filter((service) => !changes.has(service));
    const all = new Map([...changes, ...gone.map((service) => [service, []] as const)]);
    return this.#plan(all, (portals) => this.#rules.reset(portals, from));
  }

  update(changes: Changes): UserspacePlan {
    return this.#plan(changes, (portals) => this.#rules.update(portals));
  }

  #plan(changes: Changes, render: (portals: Changes) => Plan): UserspacePlan {
    const taken = new Set<number>();
    const portals = new Map<string, ServicePort[]>();
    const next = new Map<string, Map<string, Listener>>();
    for (const [service, ports] of changes) {
      const listeners = new Map<string, Listener>();
      next.set(service, listeners);
      portals.set(
        service,
        ports.map((port) => this.#toPortal(port, { before: this.#held.get(service), listeners, taken })),
      );
    }
    const difference = this.#difference(next);
    const rules = render(portals);
    return {
      ...difference,
      rules,
      commands: describe(difference) + rules.commands,
      conflicts: rules.conflicts,
      staleFlows: rules.staleFlows,
      commit: () => {
        rules.commit();
        for (const { port } of difference.close) this.pool.release(port);
        for (const { port } of difference.open) this.pool.use(port);
        for (const [service, listeners] of next) {
          if (listeners.size === 0) this.#held.delete(service);
          else this.#held.set(service, listeners);
        }
      },
    };
  }

  /** The port with listeners in the place of its endpoints. Node has no SCTP sockets: there the kernel goes on itself. */
  #toPortal(port: ServicePort, state: PortalState): ServicePort {
    if (port.protocol === 'SCTP') return port;
    const cluster = this.#listener(port, 'cluster', state);
    const internal = same(port.internal, port.cluster) ? cluster : this.#listener(port, 'internal', state);
    const external = same(port.external, port.cluster) ? cluster : this.#listener(port, 'external', state);
    return { ...port, cluster, internal, external, affinitySeconds: 0 };
  }

  #listener(port: ServicePort, list: keyof Lists, { before, listeners, taken }: PortalState): Endpoint[] {
    const endpoints = port[list];
    const ip = this.#addressOf(port).nodeIps[0];
    if (endpoints.length === 0 || ip === undefined) return [];
    const protocol = port.protocol === 'UDP' ? 'udp' : 'tcp';
    const name = `${port.key} ${protocol}${port.family === 6 ? '6' : ''} ${list}`;
    const number = before?.get(name)?.port ?? this.pool.take(taken);
    taken.add(number);
    listeners.set(name, { name, protocol, ip, port: number, endpoints, affinitySeconds: port.affinitySeconds });
    return [{ ip, port: number }];
  }

  #addressOf({ family }: ServicePort): FamilyAddresses {
    return family === 6 ? (this.#addresses.ipv6 ?? { ...this.#addresses, nodeIps: [] }) : this.#addresses;
  }

  #difference(next: ReadonlyMap<string, ReadonlyMap<string, Listener>>) {
    const open: Listener[] = [];
    const retarget: Listener[] = [];
    const close: Listener[] = [];
    for (const [service, listeners] of next) {
      const before = this.#held.get(service);
      for (const [name, listener] of listeners) {
        const old = before?.get(name);
        if (!old) open.push(listener);
        else if (!same(old.endpoints, listener.endpoints) || old.affinitySeconds !== listener.affinitySeconds)
          retarget.push(listener);
      }
      for (const [name, old] of before ?? []) if (!listeners.has(name)) close.push(old);
    }
    return { open, retarget, close };
  }
}

interface PortalState {
  readonly before: ReadonlyMap<string, Listener> | undefined;
  readonly listeners: Map<string, Listener>;
  readonly taken: Set<number>;
}

function describe({ open, retarget, close }: Pick<UserspacePlan, 'open' | 'retarget' | 'close'>): string {
  const line = (verb: string) => (listener: Listener) => {
    const { name, protocol, ip, port, endpoints, affinitySeconds } = listener;
    const stay = affinitySeconds > 0 ? ` affinity ${affinitySeconds}s` : '';
    return `# ${verb} ${protocol} ${ip} ${port} for ${name}: ${endpoints.map(nameOf).join(' ')}${stay}\n`;
  };
  return [...open.map(line('listen')), ...retarget.map(line('balance')), ...close.map(line('close'))].join('');
}

function same(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  return a.length === b.length && a.every((one, index) => nameOf(one) === nameOf(b[index]!));
}
