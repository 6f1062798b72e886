import { attribute, attributesIn, type Netlink, NetlinkError, openNetlink } from './netlink.ts';

/** UDP exchanges that the kernel translates from a frontend to an endpoint. */
export interface UdpFlow {
  readonly frontendIp: string;
  readonly frontendPort: number;
  readonly endpointIp: string;
  readonly endpointPort: number;
}

/** The kernel's memory of connections in this network namespace. */
export interface Conntrack {
  /** Forgets flows, whoever their client is; resolves with how many there were. Rejects with a NetlinkError. */
  deleteUdpFlows(flows: readonly UdpFlow[]): Promise<number>;
  close(): void;
}

const NETLINK_NETFILTER = 12;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NLA_F_NESTED = 0x8000;
const CT_GET = 0x101;
const CT_DELETE = 0x102;
const TUPLE = { original: 1, reply: 2, ip: 1, protocol: 2 } as const;
const IP = { v4Source: 1, v4Destination: 2 } as const;
const PROTOCOL = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const UDP = 17;
const ENOENT = 2;
/** struct nfgenmsg: AF_INET, version 0. */
const FAMILY = Buffer.from([2, 0, 0, 0]);

/**
 * Through netlink, as the `conntrack` program does, which need not be installed. The kernel deletes by exact tuple only, so
 * all IPv4 flows are read once for any number of deletions.
 */
export function openConntrack(): Conntrack {
  const netlink = openNetlink(NETLINK_NETFILTER);
  return {
    async deleteUdpFlows(flows) {
      const names = new Set(flows.map(nameOf));
      let deleted = 0;
      for (const body of netlink.request({ type: CT_GET, flags: NLM_F_DUMP, body: FAMILY })) {
        const attributes = attributesIn(body.subarray(FAMILY.length));
        const original = attributes.get(TUPLE.original);
        const flow = toFlow(original, attributes.get(TUPLE.reply));
        if (flow && names.has(nameOf(flow)) && deleteTuple(netlink, original!)) deleted += 1;
      }
      return deleted;
    },
    close: () => netlink.close(),
  };
}

function deleteTuple(netlink: Netlink, original: Buffer): boolean {
  const body = Buffer.concat([FAMILY, attribute(TUPLE.original | NLA_F_NESTED, original)]);
  try {
    netlink.request({ type: CT_DELETE, flags: NLM_F_ACK, body });
    return true;
  } catch (error) {
    // Timed out meanwhile.
    if (error instanceof NetlinkError && error.errno === ENOENT) return false;
    throw error;
  }
}

/** A frontend is where the client sent to, an endpoint where the answer comes from. */
function toFlow(original: Buffer | undefined, reply: Buffer | undefined): UdpFlow | undefined {
  if (!original || !reply) return undefined;
  const from = tupleParts(original);
  const to = tupleParts(reply);
  if (from.protocol.get(PROTOCOL.number)?.[0] !== UDP) return undefined;
  const frontendIp = from.ip.get(IP.v4Destination);
  const endpointIp = to.ip.get(IP.v4Source);
  if (!frontendIp || !endpointIp) return undefined;
  return {
    frontendIp: frontendIp.join('.'),
    frontendPort: from.protocol.get(PROTOCOL.destinationPort)?.readUInt16BE(0) ?? 0,
    endpointIp: endpointIp.join('.'),
    endpointPort: to.protocol.get(PROTOCOL.sourcePort)?.readUInt16BE(0) ?? 0,
  };
}

function tupleParts(tuple: Buffer): { ip: Map<number, Buffer>; protocol: Map<number, Buffer> } {
  const parts = attributesIn(tuple);
  const nested = (type: number) => attributesIn(parts.get(type) ?? Buffer.alloc(0));
  return { ip: nested(TUPLE.ip), protocol: nested(TUPLE.protocol) };
}

function nameOf(flow: UdpFlow): string {
  return `${flow.frontendIp}:${flow.frontendPort} ${flow.endpointIp}:${flow.endpointPort}`;
}
