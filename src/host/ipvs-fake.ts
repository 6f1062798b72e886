import type { Ipvs, ListedServer, ListedVirtual, RealServer, VirtualAddress, VirtualServer } from './ipvs.ts';
import { NetlinkError } from './netlink.ts';

const ENOENT = 2;
const EINVAL = 22;

/** IPVS without a kernel, for tests: what was set, and connections that a test makes up. */
export class FakeIpvs implements Ipvs {
  readonly #virtuals = new Map<string, { virtual: VirtualServer; servers: Map<string, ListedServer> }>();
  /** Refuses real servers of these addresses, as the kernel does without a route. */
  readonly unreachable = new Set<string>();
  closed = false;

  setVirtual(virtual: VirtualServer): void {
    const servers = this.#virtuals.get(nameOf(virtual.address))?.servers ?? new Map<string, ListedServer>();
    this.#virtuals.set(nameOf(virtual.address), { virtual, servers });
  }

  deleteVirtual(address: VirtualAddress): void {
    this.#virtuals.delete(nameOf(address));
  }

  setServer(address: VirtualAddress, server: RealServer): void {
    if (this.unreachable.has(server.ip)) throw new NetlinkError('request', EINVAL);
    const servers = this.#virtuals.get(nameOf(address))?.servers;
    if (!servers) throw new NetlinkError('request', ENOENT);
    const key = `${server.ip}:${server.port}`;
    servers.set(key, { connections: servers.get(key)?.connections ?? 0, ...server });
  }

  deleteServer(address: VirtualAddress, { ip, port }: Pick<RealServer, 'ip' | 'port'>): void {
    this.#virtuals.get(nameOf(address))?.servers.delete(`${ip}:${port}`);
  }

  /** As if a server had so many connections. */
  setConnections(address: VirtualAddress, server: string, connections: number): void {
    const servers = this.#virtuals.get(nameOf(address))!.servers;
    servers.set(server, { ...servers.get(server)!, connections });
  }

  find(address: VirtualAddress): ListedVirtual | undefined {
    const found = this.#virtuals.get(nameOf(address));
    return found && { ...found.virtual, servers: [...found.servers.values()] };
  }

  list(): ListedVirtual[] {
    return [...this.#virtuals.values()].map(({ virtual, servers }) => ({ ...virtual, servers: [...servers.values()] }));
  }

  close(): void {
    this.closed = true;
  }
}

function nameOf(address: VirtualAddress): string {
  return 'fwmark' in address ? `${address.fwmark}` : `${address.protocol} ${address.ip} ${address.port}`;
}
