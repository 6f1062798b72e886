import { isDeepStrictEqual } from 'node:util';
import type { Service } from '../api/types.ts';
import { formatIp, parseIp } from '../lib/ip.ts';
import { addressesOf, type Pool, poolContains } from './pool.ts';

/** `spec.loadBalancerClass` of the Services that are ours, besides those without one. */
export const LOAD_BALANCER_CLASS = 'sampan.dev/layer2';
/** Comma-separated addresses that the Service wants: one a family. */
export const ADDRESSES_ANNOTATION = 'sampan.dev/load-balancer-ips';
/** Services with equal values may have one address together. */
export const SHARING_ANNOTATION = 'sampan.dev/allow-shared-ip';
/** A name to be shown in the Service's status beside its address. */
export const HOSTNAME_ANNOTATION = 'sampan.dev/load-balancer-hostname';

/** Addresses, or why there are none. */
export type Assignment = { readonly ips: readonly string[] } | { readonly refused: string };

/** True for Services whose addresses a load balancer of this class gives; Services without one are the default class's. */
export function isOurs({ spec }: Service, loadBalancerClass = LOAD_BALANCER_CLASS): boolean {
  return spec?.type === 'LoadBalancer' && (spec.loadBalancerClass ?? LOAD_BALANCER_CLASS) === loadBalancerClass;
}

/** The addresses that a Service's status names. */
export function addressesIn({ status }: Service): string[] {
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
}

/**
 * What addresses a Service gets, one a family of `spec.ipFamilies`: those it has already stay with it while they are
 * allowed; a wanted one is given or refused; else the first free one. `others` names the Services that hold an address.
 */
export function assign(service: Service, pool: Pool, others: (ip: string) => readonly Service[]): Assignment {
  const wanted = wantedAddresses(service);
  const malformed = wanted.find((text) => !parseIp(text));
  if (malformed !== undefined) return { refused: `${JSON.stringify(malformed)} is not an IP address` };
  const isFree = (ip: string) => others(ip).every((other) => mayShare(service, other));
  const ips: string[] = [];
  for (const family of familiesOf(service)) {
    const choice = chooseAddress({
      service,
      pool,
      family,
      wanted: wanted.find((ip) => parseIp(ip)?.family === family),
      isFree,
    });
    if ('refused' in choice) return choice;
    ips.push(choice.ip);
  }
  return { ips };
}

interface Choice {
  readonly service: Service;
  readonly pool: Pool;
  readonly family: 4 | 6;
  readonly wanted: string | undefined;
  readonly isFree: (ip: string) => boolean;
}

function chooseAddress({ service, pool, family, wanted, isFree }: Choice): { ip: string } | { refused: string } {
  if (wanted !== undefined) {
    if (!poolContains(pool, parseIp(wanted)!)) return { refused: `address ${wanted} is not in the pool` };
    return isFree(wanted) ? { ip: wanted } : { refused: `address ${wanted} is already in use` };
  }
  const present = addressesIn(service).find((ip) => parseIp(ip)?.family === family);
  if (present && poolContains(pool, parseIp(present)!) && isFree(present)) return { ip: present };
  for (const ip of addressesOf(pool, family)) if (isFree(ip)) return { ip };
  return { refused: `no available IPv${family} addresses` };
}

/** In canonical form where they are addresses. */
function wantedAddresses({ metadata, spec }: Service): string[] {
  const text = spec?.loadBalancerIP || metadata.annotations?.[ADDRESSES_ANNOTATION] || '';
  const parts = text.split(',').map((part) => part.trim());
  return parts
    .filter((part) => part !== '')
    .map((part) => {
      const ip = parseIp(part);
      return ip ? formatIp(ip) : part;
    });
}

function familiesOf({ spec }: Service): (4 | 6)[] {
  const families = spec?.ipFamilies ?? ['IPv4'];
  return families.map((family) => (family === 'IPv6' ? 6 : 4));
}

/**
 * Two Services may have one address when both say so, no port is in both, and every node that may announce it for one
 * may announce it for the other.
 */
export function mayShare(a: Service, b: Service): boolean {
  const key = a.metadata.annotations?.[SHARING_ANNOTATION];
  if (!key || key !== b.metadata.annotations?.[SHARING_ANNOTATION]) return false;
  const taken = new Set(portNames(b));
  if (portNames(a).some((name) => taken.has(name))) return false;
  const isCluster = (service: Service) => service.spec?.externalTrafficPolicy !== 'Local';
  return (isCluster(a) && isCluster(b)) || isDeepStrictEqual(a.spec?.selector, b.spec?.selector);
}

function portNames({ spec }: Service): string[] {
  return (spec?.ports ?? []).map(({ port, protocol = 'TCP' }) => `${protocol}/${port}`);
}
