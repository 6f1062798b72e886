import { formatIp, parseIp } from '../lib/ip.ts';
import { attribute, attributesIn, type Netlink, NetlinkError, openNetlink } from './netlink.ts';

/** What a virtual server answers for: an address and port, or all packets with a mark. */
export type VirtualAddress =
  | { readonly protocol: 'tcp' | 'udp' | 'sctp'; readonly ip: string; readonly port: number }
  | { readonly fwmark: number };

export interface VirtualServer {
  readonly address: VirtualAddress;
  /** Name of a scheduler of the kernel. */
  readonly scheduler: string;
  /** How long a client stays with its real server; 0: it does not. */
  readonly persistenceSeconds: number;
}

/** Where connections go, by changing their destination. */
export interface RealServer {
  readonly ip: string;
  readonly port: number;
  /** 0: no new connections. */
  readonly weight: number;
}

export interface ListedServer extends RealServer {
  /** Connections that there are still. */
  readonly connections: number;
}

export interface ListedVirtual extends VirtualServer {
  readonly servers: readonly ListedServer[];
}

/** The IP Virtual Server of the kernel in this network namespace, IPv4. All methods throw a NetlinkError when refused. */
export interface Ipvs {
  /** Makes it, or changes the one that is there. */
  setVirtual(virtual: VirtualServer): void;
  /** With all its real servers and their connections; nothing when it is not there. */
  deleteVirtual(address: VirtualAddress): void;
  setServer(address: VirtualAddress, server: RealServer): void;
  deleteServer(address: VirtualAddress, server: Pick<RealServer, 'ip' | 'port'>): void;
  list(): ListedVirtual[];
  close(): void;
}

const NETLINK_GENERIC = 16;
const CONTROL = { family: 0x10, getFamily: 3, familyId: 1, familyName: 2 } as const;
const VERSION = 1;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NLA_F_NESTED = 0x8000;
const AF_INET = 2;
const EEXIST = 17;
const ENOENT = 2;
const ESRCH = 3;
const COMMAND = {
  newService: 1,
  setService: 2,
  deleteService: 3,
  getService: 4,
  newServer: 5,
  setServer: 6,
  deleteServer: 7,
  getServer: 8,
};
const PART = { service: 1, server: 2 } as const;
const SERVICE = {
  family: 1,
  protocol: 2,
  address: 3,
  port: 4,
  fwmark: 5,
  scheduler: 6,
  flags: 7,
  timeout: 8,
  netmask: 9,
} as const;
const SERVER = {
  address: 1,
  port: 2,
  method: 3,
  weight: 4,
  upper: 5,
  lower: 6,
  active: 7,
  inactive: 8,
  persistent: 9,
  family: 11,
} as const;
const PERSISTENT = 1;
const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;

/** Throws when the kernel has no IPVS. */
export function openIpvs(): Ipvs {
  const netlink = openNetlink(NETLINK_GENERIC);
  try {
    return new NetlinkIpvs(netlink, familyOf(netlink));
  } catch (error) {
    netlink.close();
    throw error;
  }
}

/** The number that the kernel gave the family of IPVS messages. */
function familyOf(netlink: Netlink): number {
  const name = attribute(CONTROL.familyName, Buffer.from('IPVS\0'));
  const body = Buffer.concat([header(CONTROL.getFamily), name]);
  const [answer] = netlink.request({ type: CONTROL.family, flags: NLM_F_ACK, body });
  return attributesIn(answer!.subarray(4)).get(CONTROL.familyId)!.readUInt16LE(0);
}

class NetlinkIpvs implements Ipvs {
  readonly #netlink: Netlink;
  readonly #family: number;

  constructor(netlink: Netlink, family: number) {
    this.#netlink = netlink;
    this.#family = family;
  }

  setVirtual(virtual: VirtualServer): void {
    const service = nested(PART.service, [...addressAttributes(virtual.address), ...workAttributes(virtual)]);
    this.#set([COMMAND.newService, COMMAND.setService], [service]);
  }

  deleteVirtual(address: VirtualAddress): void {
    this.#delete(COMMAND.deleteService, [nested(PART.service, addressAttributes(address))]);
  }

  setServer(address: VirtualAddress, server: RealServer): void {
    const parts = [nested(PART.service, addressAttributes(address)), nested(PART.server, serverAttributes(server))];
    this.#set([COMMAND.newServer, COMMAND.setServer], parts);
  }

  deleteServer(address: VirtualAddress, server: Pick<RealServer, 'ip' | 'port'>): void {
    const gone = serverAttributes({ ...server, weight: 0 });
    this.#delete(COMMAND.deleteServer, [nested(PART.service, addressAttributes(address)), nested(PART.server, gone)]);
  }

  list(): ListedVirtual[] {
    return this.#dump(COMMAND.getService, [])
      .map((body) => parseVirtual(attributesIn(body.get(PART.service)!)))
      .map((virtual) => ({ ...virtual, servers: this.#servers(virtual.address) }));
  }

  close(): void {
    this.#netlink.close();
  }

  #servers(address: VirtualAddress): ListedServer[] {
    const of = nested(PART.service, addressAttributes(address));
    return this.#dump(COMMAND.getServer, [of]).map((body) => parseServer(attributesIn(body.get(PART.server)!)));
  }

  #dump(command: number, parts: readonly Buffer[]): Map<number, Buffer>[] {
    const answers = this.#request({ command, flags: NLM_F_DUMP }, parts);
    return answers.map((answer) => attributesIn(answer.subarray(4)));
  }

  #set([make, change]: readonly [number, number], parts: readonly Buffer[]): void {
    try {
      this.#request({ command: make, flags: NLM_F_ACK }, parts);
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.errno !== EEXIST) throw error;
      this.#request({ command: change, flags: NLM_F_ACK }, parts);
    }
  }

  #delete(command: number, parts: readonly Buffer[]): void {
    try {
      this.#request({ command, flags: NLM_F_ACK }, parts);
    } catch (error) {
      if (!(error instanceof NetlinkError) || ![ENOENT, ESRCH].includes(error.errno)) throw error;
    }
  }

  #request({ command, flags }: { command: number; flags: number }, parts: readonly Buffer[]): Buffer[] {
    const body = Buffer.concat([header(command), ...parts]);
    return this.#netlink.request({ type: this.#family, flags, body });
  }
}

/** struct genlmsghdr. */
function header(command: number): Buffer {
  return Buffer.from([command, VERSION, 0, 0]);
}

function nested(type: number, attributes: readonly Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

function addressAttributes(address: VirtualAddress): Buffer[] {
  const family = attribute(SERVICE.family, u16(AF_INET));
  if ('fwmark' in address) return [family, attribute(SERVICE.fwmark, u32(address.fwmark))];
  return [
    family,
    attribute(SERVICE.protocol, u16(PROTOCOLS[address.protocol])),
    attribute(SERVICE.address, ipBytes(address.ip)),
    attribute(SERVICE.port, portBytes(address.port)),
  ];
}

function workAttributes({ scheduler, persistenceSeconds }: VirtualServer): Buffer[] {
  const flags = Buffer.concat([u32(persistenceSeconds > 0 ? PERSISTENT : 0), u32(0xffff_ffff)]);
  return [
    attribute(SERVICE.scheduler, Buffer.from(`${scheduler}\0`)),
    attribute(SERVICE.flags, flags),
    attribute(SERVICE.timeout, u32(persistenceSeconds)),
    attribute(SERVICE.netmask, Buffer.from([255, 255, 255, 255])),
  ];
}

function serverAttributes({ ip, port, weight }: RealServer): Buffer[] {
  const noLimit = u32(0);
  return [
    attribute(SERVER.address, ipBytes(ip)),
    attribute(SERVER.port, portBytes(port)),
    attribute(SERVER.family, u16(AF_INET)),
    // IP_VS_CONN_F_MASQ: the destination is changed, and the source of answers back.
    attribute(SERVER.method, u32(0)),
    attribute(SERVER.weight, u32(weight)),
    attribute(SERVER.upper, noLimit),
    attribute(SERVER.lower, noLimit),
  ];
}

function parseVirtual(parts: Map<number, Buffer>): VirtualServer {
  const flags = parts.get(SERVICE.flags)!.readUInt32LE(0);
  return {
    address: parseAddress(parts),
    scheduler: parts.get(SERVICE.scheduler)!.toString().replace(/\0.*$/, ''),
    persistenceSeconds: flags & PERSISTENT ? parts.get(SERVICE.timeout)!.readUInt32LE(0) : 0,
  };
}

function parseAddress(parts: Map<number, Buffer>): VirtualAddress {
  const fwmark = parts.get(SERVICE.fwmark);
  if (fwmark) return { fwmark: fwmark.readUInt32LE(0) };
  const number = parts.get(SERVICE.protocol)!.readUInt16LE(0);
  const protocol = (Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[]).find((name) => PROTOCOLS[name] === number);
  const [ip, port] = [ipOf(parts.get(SERVICE.address)!), parts.get(SERVICE.port)!.readUInt16BE(0)];
  return { protocol: protocol ?? 'tcp', ip, port };
}

function parseServer(parts: Map<number, Buffer>): ListedServer {
  const count = (type: number) => parts.get(type)?.readUInt32LE(0) ?? 0;
  return {
    ip: ipOf(parts.get(SERVER.address)!),
    port: parts.get(SERVER.port)!.readUInt16BE(0),
    weight: count(SERVER.weight),
    connections: count(SERVER.active) + count(SERVER.inactive),
  };
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** In the order of the network. */
function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(port);
  return bytes;
}

/** union nf_inet_addr: as long as an IPv6 address. */
function ipBytes(ip: string): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(Number(parseIp(ip)!.value));
  return bytes;
}

function ipOf(bytes: Buffer): string {
  return formatIp({ family: 4, value: BigInt(bytes.readUInt32BE(0)) });
}
