import type { EndpointSlice, Endpoints } from '../../api/types.ts';
import { formatIp, parseIp } from '../../lib/ip.ts';

type Subset = NonNullable<Endpoints['subsets']>[number];
type Address = NonNullable<Subset['addresses']>[number];
type Endpoint = EndpointSlice['endpoints'][number];
type Port = NonNullable<EndpointSlice['ports']>[number];

/** Addresses of one subset that are mirrored at most. */
const MAX_ADDRESSES = 1000;

export interface Mirrored {
  readonly slices: readonly {
    readonly addressType: 'IPv4' | 'IPv6';
    readonly ports: Port[];
    readonly endpoints: Endpoint[];
  }[];
  /** Addresses beyond {@link MAX_ADDRESSES} of a subset. */
  readonly skipped: number;
  /** Addresses that are none. */
  readonly invalid: number;
}

/** One slice for each set of ports and family of addresses. Pure. */
export function planMirror({ subsets }: Endpoints): Mirrored {
  const slices = new Map<string, Mirrored['slices'][number]>();
  let skipped = 0;
  let invalid = 0;
  for (const subset of subsets ?? []) {
    const ports = portsOf(subset);
    const all = [
      ...(subset.addresses ?? []).map((address) => ({ address, ready: true })),
      ...(subset.notReadyAddresses ?? []).map((address) => ({ address, ready: false })),
    ];
    skipped += Math.max(0, all.length - MAX_ADDRESSES);
    for (const { address, ready } of all.slice(0, MAX_ADDRESSES)) {
      const ip = parseIp(address.ip);
      if (!ip) {
        invalid++;
        continue;
      }
      const addressType = ip.family === 6 ? 'IPv6' : 'IPv4';
      const key = JSON.stringify([addressType, ports]);
      const slice = slices.get(key) ?? { addressType, ports, endpoints: [] };
      slices.set(key, slice);
      slice.endpoints.push(toEndpoint(address, { ip: formatIp(ip), ready }));
    }
  }
  return { slices: [...slices.values()], skipped, invalid };
}

function portsOf({ ports }: Subset): Port[] {
  return (ports ?? []).map(({ name = '', port, protocol = 'TCP', appProtocol }) => {
    return { name, port, protocol, ...(appProtocol ? { appProtocol } : {}) } as Port;
  });
}

function toEndpoint(
  { targetRef, nodeName, hostname }: Address,
  { ip, ready }: { ip: string; ready: boolean },
): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(targetRef ? { targetRef } : {}),
  };
}
