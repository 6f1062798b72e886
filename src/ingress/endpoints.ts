import type { ServicePort } from '../api/resource.ts';
import type { EndpointSlice, Service } from '../api/types.ts';
import { parseIp } from '../lib/ip.ts';
import type { Endpoint, Protocol } from './types.ts';

/** `spec.rules[].http.paths[].backend.service.port`. */
export interface PortReference {
  readonly name?: string;
  readonly number?: number;
}

/** `appProtocol` of a Service port: names of KEP-3726 and those that people use. */
const APP_PROTOCOLS: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'h2c',
  h2c: 'h2c',
  grpc: 'h2c',
  'kubernetes.io/wss': 'https',
  https: 'https',
  grpcs: 'h2',
};

/** The Service's port that an Ingress means; undefined when it has no such port. */
export function findPort(service: Service, { name, number }: PortReference): ServicePort | undefined {
  return service.spec?.ports?.find((port) => (name ? port.name === name : port.port === number));
}

export function protocolOf(port: ServicePort | undefined): Protocol {
  return APP_PROTOCOLS[port?.appProtocol?.toLowerCase() ?? ''] ?? 'http';
}

/** What follows from the EndpointSlices of a Service. */
export interface EndpointQuery {
  readonly service: Service;
  readonly port: ServicePort;
  readonly slices: readonly EndpointSlice[];
  readonly protocol: Protocol;
}

/**
 * Where requests go: ready endpoints, or those that end but still serve when none is ready (KEP-1669). Of a dual-stack
 * Service the addresses of its first family count, so that no pod counts twice.
 */
export function endpointsOf({ service, port, slices, protocol }: EndpointQuery): Endpoint[] {
  const families = service.spec?.ipFamilies?.length ? service.spec.ipFamilies : ['IPv4', 'IPv6'];
  for (const family of families) {
    const all = slices
      .filter((slice) => slice.addressType === family)
      .flatMap((slice) => inSlice(slice, { port, protocol }));
    const ready = all.filter((one) => one.ready);
    const chosen = ready.length > 0 ? ready : all.filter((one) => one.ending);
    const unique = new Map(chosen.map(({ endpoint }) => [`${endpoint.address} ${endpoint.port}`, endpoint]));
    if (unique.size > 0) return [...unique.values()];
  }
  return [];
}

interface Candidate {
  readonly endpoint: Endpoint;
  readonly ready: boolean;
  readonly ending: boolean;
}

/** Slices of caches never change, so what follows from one is kept for as long as it is: by port and protocol. */
const known = new WeakMap<EndpointSlice, Map<string, Candidate[]>>();

function inSlice(slice: EndpointSlice, { port, protocol }: { port: ServicePort; protocol: Protocol }): Candidate[] {
  const key = `${protocol} ${port.name ?? ''}`;
  const found = known.get(slice) ?? new Map<string, Candidate[]>();
  known.set(slice, found);
  let candidates = found.get(key);
  if (!candidates) {
    candidates = readSlice(slice, { port, protocol });
    found.set(key, candidates);
  }
  return candidates;
}

function readSlice(slice: EndpointSlice, { port, protocol }: { port: ServicePort; protocol: Protocol }): Candidate[] {
  const number = slice.ports?.find((one) => (one.name ?? '') === (port.name ?? ''))?.port;
  if (!number) return [];
  return (slice.endpoints ?? []).flatMap(({ addresses, conditions = {} }) => {
    const [address] = addresses;
    if (!address || !mayBeReached(address)) return [];
    const ready = conditions.ready ?? true;
    const ending = (conditions.terminating ?? false) && (conditions.serving ?? ready);
    return [{ endpoint: { address, port: number, protocol }, ready, ending }];
  });
}

/** Nobody's Ingress may lead to the proxy's own machine. */
export function mayBeReached(address: string): boolean {
  const ip = parseIp(address);
  if (!ip) return false;
  if (ip.family === 6)
    return ip.value > 1n && ip.value >> 118n !== 0x3fan && ip.value >> 120n !== 0xffn && !isMapped(ip.value);
  const first = Number(ip.value >> 24n);
  return first !== 0 && first !== 127 && first < 224 && ip.value >> 16n !== 0xa9fen;
}

/** IPv4 in IPv6 (::ffff:0:0/96). */
function isMapped(value: bigint): boolean {
  return value >> 32n === 0xffffn;
}
