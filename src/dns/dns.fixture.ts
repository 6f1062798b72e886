import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { encode } from 'dns-packet';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { namespaces } from '../api/kinds/namespace.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice, Namespace, Service } from '../api/types.ts';
import { FakeClock } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { TYPE } from './codes.ts';
import { createDnsMetrics, type DnsMetrics } from './metrics.ts';
import { type Forwarder, Responder } from './responder.ts';
import { trackServices } from './tracker.ts';
import { Zone } from './zone.ts';
import { formatResponse } from './zone-file.ts';

/** A cluster of plain objects for tests of this room, and the server's answers about it. */
export interface DnsFixture {
  readonly informers: PlainInformers;
  readonly zone: Zone;
  readonly metrics: DnsMetrics;
  readonly responder: Responder;
  readonly clock: FakeClock;
  /** Applies objects and waits until the zone has taken them in. */
  apply(...objects: readonly (Service | EndpointSlice | Namespace)[]): Promise<void>;
  remove(...objects: readonly (Service | EndpointSlice | Namespace)[]): Promise<void>;
  /** `A web.default.svc.cluster.local` → the response in zone-file text. */
  ask(question: string): string;
}

export interface FixtureOptions {
  readonly synced?: boolean;
  readonly random?: () => number;
  readonly forwarder?: Forwarder;
  readonly domain?: string;
  readonly reverseCidrs?: readonly string[];
}

export function createFixture(options: FixtureOptions = {}): DnsFixture {
  const { synced = true, random = () => 0, forwarder, domain = 'cluster.local' } = options;
  const { reverseCidrs = ['10.96.0.0/16', '10.244.0.0/16'] } = options;
  const informers = new PlainInformers();
  const clock = new FakeClock();
  const metrics = createDnsMetrics();
  const zone = new Zone({ domain, reverseCidrs, ttlSeconds: 5 });
  const tracker = trackServices({ zone, informers, clock });
  if (synced) informers.markSynced();
  const ready = () => tracker.ready;
  const responder = new Responder({ zone, ready, random, metrics, forwarderFor: () => forwarder });
  const apply: DnsFixture['apply'] = async (...objects) => {
    for (const object of objects) cacheOf(informers, object).set(object);
    await Promise.resolve();
  };
  const remove: DnsFixture['remove'] = async (...objects) => {
    for (const object of objects) cacheOf(informers, object).delete(object);
    await Promise.resolve();
  };
  const ask = (question: string) => formatResponse(responder.respond(queryPacket(question), 'udp') as Buffer);
  return { informers, zone, metrics, responder, clock, apply, remove, ask };
}

function cacheOf(informers: PlainInformers, object: Service | EndpointSlice | Namespace) {
  const rows = { Service: services, EndpointSlice: endpointSlices, Namespace: namespaces };
  return informers.of<typeof object>(rows[object.kind as keyof typeof rows] as never);
}

/** The octets of a question such as `SRV _http._tcp.web.default.svc.cluster.local`; types may be numbers. */
export function queryPacket(
  question: string,
  options: { id?: number; udpOctets?: number; flags?: number } = {},
): Buffer {
  const [type = 'A', name = '.'] = question.split(' ');
  const opt = { type: 'OPT', name: '.', udpPayloadSize: options.udpOctets ?? 0, flags: options.flags ?? 0 };
  const packet = encode({
    type: 'query',
    id: options.id ?? 7,
    flags: 0x0100,
    questions: [{ type: 'A', name }],
    ...(options.udpOctets !== undefined && { additionals: [opt as never] }),
  });
  packet.writeUInt16BE(
    TYPE[type as keyof typeof TYPE] ?? Number(type),
    12 + name.replace(/^\.$/, '').length + (name === '.' ? 1 : 2),
  );
  return packet;
}

export const LOCALHOST = '127.0.0.1';

/** Sends one datagram to a server on this machine and resolves with what comes back. */
export async function askUdp(port: number, packet: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  socket.send(packet, port, LOCALHOST);
  const [response] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return response;
}

export function namespace(name: string): Namespace {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

/** `at` is `namespace/name`. */
export function service(at: string, spec: NonNullable<Service['spec']>): Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: metadataOf(at), spec };
}

export type SliceEndpoint = EndpointSlice['endpoints'][number];
export type SlicePort = NonNullable<EndpointSlice['ports']>[number];

export interface SliceFixture {
  readonly service: string;
  readonly endpoints: readonly (Omit<SliceEndpoint, 'addresses'> & { address: string })[];
  readonly ports?: readonly SlicePort[];
  readonly addressType?: EndpointSlice['addressType'];
}

/** `at` is `namespace/name`. */
export function slice(at: string, { service: owner, endpoints, ports, addressType }: SliceFixture): EndpointSlice {
  const metadata = { ...metadataOf(at), labels: { 'kubernetes.io/service-name': owner } };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata,
    addressType: addressType ?? 'IPv4',
    endpoints: endpoints.map(({ address, ...rest }) => ({ ...rest, addresses: [address] })),
    ports: [...(ports ?? [])],
  };
}

function metadataOf(at: string): { namespace: string; name: string } {
  const [namespace = '', name = ''] = at.split('/');
  return { namespace, name };
}
