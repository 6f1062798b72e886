import type { VirtualAddress } from '../../host/ipvs.ts';
import type { Endpoint } from '../../servicemap/service-port.ts';
import { udpFlows } from '../flows.ts';
import type { Frontend } from '../frontends.ts';
import type { SetElement, SetName } from './sets.ts';

/** A virtual server and where it leads. */
export interface Virtual {
  readonly address: VirtualAddress;
  readonly persistenceSeconds: number;
  readonly servers: readonly Endpoint[];
}

/** What one Service has in the kernel. */
export interface ServiceState {
  /** By the words of {@link addressWords}. */
  readonly virtuals: ReadonlyMap<string, Virtual>;
  readonly elements: readonly SetElement[];
  /** Addresses that the node answers for. */
  readonly addresses: readonly string[];
  readonly flows: readonly string[];
}

export const NO_STATE: ServiceState = { virtuals: new Map(), elements: [], addresses: [], flows: [] };

const FLAGS = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;

/** A virtual server as `ipvsadm` names it: `-t 10.96.0.1:80`. */
export function addressWords(address: VirtualAddress): string {
  return 'fwmark' in address ? `-f ${address.fwmark}` : `${FLAGS[address.protocol]} ${address.ip}:${address.port}`;
}

export interface RenderOptions {
  readonly nodeIps: readonly string[];
  /** The mark of packets that may only go to the endpoints of this node, by the list's name. */
  readonly markOf: (list: string) => number;
}

/** Pure, but for the marks that are given out. */
export function renderService(frontends: readonly Frontend[], options: RenderOptions): ServiceState {
  const virtuals = new Map<string, Virtual>();
  const elements = new Set<SetElement>();
  const addresses = new Set<string>();
  const keptKeys = new Set(frontends.filter(({ policy }) => policy === 'kept').map(({ key }) => key));
  for (const frontend of frontends) {
    if (!options.nodeIps.includes(frontend.ip)) addresses.add(frontend.ip);
    for (const element of elementsOf(frontend, { ...options, keepsSource: keptKeys.has(frontend.key) }))
      elements.add(element);
    if (frontend.endpoints.length === 0) continue;
    const address = addressOf(frontend, options);
    const virtual = { address, persistenceSeconds: frontend.affinitySeconds, servers: frontend.endpoints };
    virtuals.set(addressWords(address), virtual);
  }
  for (const ip of addresses) elements.add(`KUBE-IPVS-ADDRESS ${ip}`);
  return { virtuals, elements: [...elements], addresses: [...addresses], flows: udpFlows(frontends) };
}

function addressOf({ policy, protocol, ip, port, list }: Frontend, { markOf }: RenderOptions): VirtualAddress {
  if (policy === 'kept') return { fwmark: markOf(list) };
  return { protocol: protocol as 'tcp' | 'udp' | 'sctp', ip, port };
}

function elementsOf(frontend: Frontend, options: RenderOptions & { keepsSource: boolean }): SetElement[] {
  const { policy, ip, protocol, port, endpoints, allowed } = frontend;
  const place = `${ip},${protocol}:${port}`;
  const guards: SetElement[] =
    allowed.length > 0
      ? [
          `KUBE-IPVS-GUARDED ${place}`,
          ...allowed.flatMap(halves).map((range) => `KUBE-IPVS-SOURCES ${place},${range}` as const),
        ]
      : [];
  if (endpoints.length === 0) return [...guards, ...missingElements(frontend, place)];
  const loops = endpoints.map((to) => `KUBE-IPVS-LOOP ${to.ip},${protocol}:${to.port},${to.ip}` as const);
  if (policy === 'kept') return [`KUBE-IPVS-KEPT ${place} skbmark ${hex(options.markOf(frontend.list))}`, ...loops];
  const set: SetName =
    policy === 'internal' ? 'KUBE-IPVS-CLUSTER' : options.keepsSource ? 'KUBE-IPVS-LOCAL' : 'KUBE-IPVS-EXTERNAL';
  return [...guards, `KUBE-IPVS-SERVED ${place}`, `${set} ${place}`, ...loops];
}

function missingElements({ policy, otherwise }: Frontend, place: string): SetElement[] {
  if (policy === 'kept') return otherwise === 'drop' ? [`KUBE-IPVS-KEPTNONE ${place}`] : [];
  return [otherwise === 'drop' ? `KUBE-IPVS-DROPPED ${place}` : `KUBE-IPVS-REFUSED ${place}`];
}

/** The kernel's set of networks does not take the one of all addresses. */
function halves(range: string): string[] {
  return range === '0.0.0.0/0' ? ['0.0.0.0/1', '128.0.0.0/1'] : [range];
}

function hex(mark: number): string {
  return `0x${mark.toString(16)}/0xffffffff`;
}
