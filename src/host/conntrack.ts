import { formatIp } from '../lib/ip.ts';
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
  /** The same for all flows that `isStale` names. */
  deleteUdpFlowsWhere(isStale: (flow: UdpFlow) => boolean): Promise<number>;
  close(): void;
}

const NETLINK_NETFILTER = 12;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NLA_F_NESTED = 0x8000;
const CT_GET = 0x101;
const CT_DELETE = 0x102;
const TUPLE = { original: 1, reply: 2, ip: 1, protocol: 2 } as const;
const IP = { v4Source: 1, v4Destination: 2, v6Source: 3, v6Destination: 4 } as const;
const PROTOCOL = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const UDP = 17;
const ENOENT = 2;
/** struct nfgenmsg of AF_INET and AF_INET6: version 0. */
const FAMILIES = [Buffer.from([2, 0, 0, 0]), Buffer.from([10, 0, 0, 0])] as const;

/**
 * Through netlink, as the `conntrack` program does, which need not be installed. The kernel deletes by exact tuple only, so
 * all flows are read once for any number of deletions.
 */
export function openConntrack(): Conntrack {
  const netlink = openNetlink(NETLINK_NETFILTER);
  const deleteWhere = async (isStale: (flow: UdpFlow) => boolean) => {
    let deleted = 0;
    for (const family of FAMILIES)
      for (const body of netlink.request({ type: CT_GET, flags: NLM_F_DUMP, body: family })) {
        const attributes = attributesIn(body.subarray(family.length));
        const original = attributes.get(TUPLE.original);
        const flow = toFlow(original, attributes.get(TUPLE.reply));
        if (flow && isStale(flow) && deleteTuple(netlink, { family, original: original! })) deleted += 1;
      }
    return deleted;
  };
  return {
    deleteUdpFlowsWhere: deleteWhere,
    deleteUdpFlows(flows) {
      const names = new Set(flows.map(nameOf));
      return deleteWhere((flow) => names.has(nameOf(flow)));
    },
    close: () => netlink.close(),
  };
}

function deleteTuple(netlink: Netlink, { family, original }: { family: Buffer; original: Buffer }): boolean {
  const body = Buffer.concat([family, attribute(TUPLE.original | NLA_F_NESTED, original)]);
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
  const frontendIp = from.ip.get(IP.v4Destination) ?? from.ip.get(IP.v6Destination);
  const endpointIp = to.ip.get(IP.v4Source) ?? to.ip.get(IP.v6Source);
  if (!frontendIp || !endpointIp) return undefined;
  return {
    frontendIp: addressText(frontendIp),
    frontendPort: from.protocol.get(PROTOCOL.destinationPort)?.readUInt16BE(0) ?? 0,
    endpointIp: addressText(endpointIp),
    endpointPort: to.protocol.get(PROTOCOL.sourcePort)?.readUInt16BE(0) ?? 0,
  };
}

/** Canonical text, as {@link formatIp} writes it. */
function addressText(bytes: Buffer): string {
  return formatIp({ family: bytes.length === 4 ? 4 : 6, value: BigInt(`0x${bytes.toString('hex')}`) });
}

function tupleParts(tuple: Buffer): { ip: Map<number, Buffer>; protocol: Map<number, Buffer> } {
  const parts = attributesIn(tuple);
  const nested = (type: number) => attributesIn(parts.get(type) ?? Buffer.alloc(0));
  return { ip: nested(TUPLE.ip), protocol: nested(TUPLE.protocol) };
}

function nameOf(flow: UdpFlow): string {
  return `${flow.frontendIp}:${flow.frontendPort} ${flow.endpointIp}:${flow.endpointPort}`;
}
