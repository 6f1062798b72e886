import { createHash } from 'node:crypto';
import type { EndpointSlice, Node, Service } from '../api/types.ts';
import { addressesIn, isOurs } from './assign.ts';

/** What decides who announces which address. */
export interface Situation {
  readonly services: readonly Service[];
  readonly nodes: readonly Node[];
  /** The EndpointSlices of a Service. */
  readonly slicesOf: (service: Service) => readonly EndpointSlice[];
  /** Heard of lately. */
  readonly isAlive: (node: string) => boolean;
  readonly loadBalancerClass?: string;
}

/** Address → the node that answers for it on the LAN; all nodes decide alike without talking. */
export function announcers(situation: Situation): Map<string, string> {
  const nodes = situation.nodes.filter((node) => mayAnnounce(node) && situation.isAlive(node.metadata.name));
  const names = nodes.map(({ metadata }) => metadata.name);
  const candidates = new Map<string, readonly string[]>();
  for (const service of situation.services) {
    if (!isOurs(service, situation.loadBalancerClass)) continue;
    const allowed = allowedFor(service, situation, names);
    for (const ip of addressesIn(service)) {
      candidates.set(
        ip,
        (candidates.get(ip) ?? names).filter((name) => allowed.includes(name)),
      );
    }
  }
  const chosen = [...candidates].map(([ip, from]) => [ip, highest(ip, from)] as const);
  return new Map(chosen.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';

function mayAnnounce({ metadata, status }: Node): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return metadata.labels?.[EXCLUDE_LABEL] === undefined && ready?.status === 'True';
}

/** `externalTrafficPolicy: Local`: only a node with an endpoint of its own can answer. */
function allowedFor(service: Service, { slicesOf }: Situation, nodes: readonly string[]): readonly string[] {
  if (service.spec?.externalTrafficPolicy !== 'Local') return nodes;
  const endpoints = slicesOf(service).flatMap((slice) => slice.endpoints ?? []);
  const serving = endpoints.filter(({ conditions }) => conditions?.ready !== false);
  return nodes.filter((name) => serving.some(({ nodeName }) => nodeName === name));
}

/** Rendezvous hashing: when a node goes, only its own addresses move, and spread over the rest. */
function highest(ip: string, nodes: readonly string[]): string | undefined {
  const scored = nodes.map((node) => ({ node, score: createHash('sha1').update(`${ip} ${node}`).digest('hex') }));
  return scored.sort((a, b) => (a.score > b.score ? -1 : 1))[0]?.node;
}
