import type { EndpointSlice, Service } from '../api/types.ts';
import { type Ip, parseIp } from '../lib/ip.ts';
import { dashedAddress, reverseName } from './name.ts';

/** One resource record of the cluster zone, or of a reverse zone; names have no final dot. */
export type DnsRecord =
  | { readonly name: string; readonly type: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR' | 'TXT'; readonly data: string }
  | { readonly name: string; readonly type: 'SRV'; readonly data: Srv };

/** RFC 2782. */
export interface Srv {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

export interface ServiceRecordsOptions {
  readonly service: Service;
  /** The Service's EndpointSlices; read for headless Services only. */
  readonly slices: readonly EndpointSlice[];
  /** For example `cluster.local`. */
  readonly domain: string;
}

/** An address of the Service with its name, and the ports that it serves there. */
interface Place {
  readonly address: string;
  readonly ip: Ip;
  readonly name: string;
  readonly ports: readonly Port[];
}

interface Port {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

/**
 * All records of one Service (Kubernetes DNS-Based Service Discovery 1.1, section 2). A headless Service without ready
 * endpoints has none, so that its name does not exist, as the specification asks.
 */
export function serviceRecords({ service, slices, domain }: ServiceRecordsOptions): DnsRecord[] {
  const { name, namespace } = service.metadata;
  const owner = `${name}.${namespace}.svc.${domain}`;
  const { spec } = service;
  if (spec?.type === 'ExternalName') return externalName(owner, spec.externalName);
  const places = spec?.clusterIP === 'None' ? endpointPlaces(owner, slices) : clusterPlaces(owner, service);
  return [...addressRecords(owner, places), ...portRecords(owner, places), ...places.map(pointerRecord)];
}

function externalName(owner: string, target: string | undefined): DnsRecord[] {
  return target ? [{ name: owner, type: 'CNAME', data: target.replace(/\.$/, '') }] : [];
}

/** The ClusterIPs, all under the Service's own name. */
function clusterPlaces(owner: string, service: Service): Place[] {
  const { clusterIP, clusterIPs, ports } = service.spec ?? {};
  const addresses = clusterIPs?.length ? clusterIPs : clusterIP ? [clusterIP] : [];
  const served = (ports ?? []).map((port) => toPort(port.name, port.protocol, port.port));
  return addresses.flatMap((address) => toPlace(address, owner, served));
}

function toPlace(address: string, name: string, ports: readonly Port[]): Place[] {
  const ip = parseIp(address);
  return ip ? [{ address, ip, name, ports }] : [];
}

/** Ready endpoints, one an address: slices may overlap while endpoints move between them. */
function endpointPlaces(owner: string, slices: readonly EndpointSlice[]): Place[] {
  const places = new Map<string, Place>();
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') continue;
    const ports = (slice.ports ?? []).flatMap((port) =>
      port.port === undefined ? [] : [toPort(port.name, port.protocol, port.port)],
    );
    for (const endpoint of slice.endpoints ?? []) {
      if (endpoint.conditions?.ready === false) continue;
      for (const address of endpoint.addresses ?? []) {
        const name = `${endpoint.hostname || dashedAddress(address)}.${owner}`;
        for (const place of toPlace(address, name, ports)) addPlace(places, place);
      }
    }
  }
  return [...places.values()];
}

function addPlace(places: Map<string, Place>, place: Place): void {
  const known = places.get(place.address);
  const ports = known ? [...known.ports, ...place.ports.filter((port) => !hasPort(known.ports, port))] : place.ports;
  places.set(place.address, { ...place, name: known?.name ?? place.name, ports });
}

function hasPort(ports: readonly Port[], wanted: Port): boolean {
  return ports.some(
    (port) => port.name === wanted.name && port.port === wanted.port && port.protocol === wanted.protocol,
  );
}

function toPort(name: string | undefined, protocol: string | undefined, port: number): Port {
  return { name: name ?? '', protocol: (protocol ?? 'TCP').toLowerCase(), port };
}

function addressRecords(owner: string, places: readonly Place[]): DnsRecord[] {
  return places.flatMap((place) => {
    const type = place.ip.family === 4 ? 'A' : 'AAAA';
    const own: DnsRecord = { name: owner, type, data: place.address };
    return place.name === owner ? [own] : [own, { name: place.name, type, data: place.address }];
  });
}

/** `_port._proto` for named ports; the Service's bare name lists every port number, as clients ask for their peers. */
function portRecords(owner: string, places: readonly Place[]): DnsRecord[] {
  const targets = new Map(places.map((place) => [place.name, place.ports]));
  const weight = Math.max(1, Math.floor(100 / Math.max(1, targets.size)));
  return [...targets].flatMap(([target, ports]) => {
    const srv = (port: number): Srv => ({ priority: 0, weight, port, target });
    const numbers = [...new Set(ports.map((port) => port.port))];
    const named = ports.filter((port) => port.name !== '');
    return [
      ...numbers.map((port): DnsRecord => ({ name: owner, type: 'SRV', data: srv(port) })),
      ...named.map((port): DnsRecord => ({ name: portName(port, owner), type: 'SRV', data: srv(port.port) })),
    ];
  });
}

function portName(port: Port, owner: string): string {
  return `_${port.name}._${port.protocol}.${owner}`;
}

function pointerRecord(place: Place): DnsRecord {
  return { name: reverseName(place.ip), type: 'PTR', data: place.name };
}
