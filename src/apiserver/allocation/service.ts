import { ApiError, invalid } from '../../api/errors.ts';
import { type FieldError, invalidValue } from '../../api/field-error.ts';
import type { ServicePort } from '../../api/resource.ts';
import type { Service } from '../../api/types.ts';
import { type Cidr, cidrAddress, cidrContains, cidrSize, formatCidr, formatIp, parseIp } from '../../lib/ip.ts';
import type { Admission } from '../admission.ts';
import { addressBand, Pool, portBand } from './pool.ts';

export interface ServiceAllocatorOptions {
  /** Of the cluster's primary family. */
  serviceCidr: Cidr;
  /** Of the other family, in a cluster that has both. */
  secondaryCidr?: Cidr;
  nodePortRange: { from: number; to: number };
  /** In [0, 1). */
  random: () => number;
  /** What is there already: its addresses and ports are taken again (repair after a restart). */
  services: Iterable<Service>;
}

/** Gives Services their ClusterIP and node ports, and takes them back. */
export function createServiceAllocator(options: ServiceAllocatorOptions): Admission<Service> {
  return new ServiceAllocator(options);
}

type Family = 'IPv4' | 'IPv6';

interface AddressRange {
  readonly family: Family;
  readonly cidr: Cidr;
  /** Addresses to give away. */
  readonly size: number;
  readonly pool: Pool;
}

/** Of a wide IPv6 network only the start is used. */
const ADDRESSES_MAX = 1 << 20;
const OTHER_FAMILY: Readonly<Record<Family, Family>> = { IPv4: 'IPv6', IPv6: 'IPv4' };

function toRange(cidr: Cidr, random: () => number): AddressRange {
  const all = cidrSize(cidr);
  // The network's first and last address are nobody's.
  const size = Number(all > ADDRESSES_MAX ? BigInt(ADDRESSES_MAX) : all) - 2;
  const pool = new Pool({ size, staticBand: addressBand(size + 2), random });
  return { family: `IPv${cidr.family}`, cidr, size, pool };
}

function familyName(ip: string): Family | undefined {
  const family = parseIp(ip)?.family;
  return family && `IPv${family}`;
}

class ServiceAllocator implements Admission<Service> {
  readonly resource = { group: '', plural: 'services' };
  /** The primary one first. */
  readonly #ranges: readonly AddressRange[];
  readonly #range: { from: number; to: number };
  /** One number space for all protocols. */
  readonly #ports: Pool;

  constructor({ serviceCidr, secondaryCidr, nodePortRange, random, services }: ServiceAllocatorOptions) {
    this.#ranges = [serviceCidr, ...(secondaryCidr ? [secondaryCidr] : [])].map((cidr) => toRange(cidr, random));
    this.#range = nodePortRange;
    const ports = nodePortRange.to - nodePortRange.from + 1;
    this.#ports = new Pool({ size: ports, staticBand: portBand(ports), random });
    for (const service of services) for (const claim of claimsOf(service)) this.#take(claim);
  }

  create(service: Service): void {
    this.#allocate(service, new Set());
  }

  update(service: Service, old: Service): void {
    this.#allocate(service, new Set(claimsOf(old)));
  }

  committed(service: Service | undefined, old: Service | undefined): void {
    const kept = new Set(service ? claimsOf(service) : []);
    for (const claim of old ? claimsOf(old) : []) if (!kept.has(claim)) this.#release(claim);
  }

  aborted(service: Service, old: Service | undefined): void {
    const kept = new Set(old ? claimsOf(old) : []);
    for (const claim of claimsOf(service)) if (!kept.has(claim)) this.#release(claim);
  }

  #allocate(service: Service, held: ReadonlySet<string>): void {
    const taken: string[] = [];
    const take = (claim: string) => {
      if (held.has(claim) || taken.includes(claim)) return true;
      if (!this.#take(claim)) return false;
      taken.push(claim);
      return true;
    };
    try {
      this.#allocateAddress(service, take);
      this.#allocatePorts(service, take);
    } catch (error) {
      for (const claim of taken) this.#release(claim);
      throw error;
    }
  }

  #allocateAddress(service: Service, take: (claim: string) => boolean): void {
    const spec = service.spec;
    if (!spec || spec.type === 'ExternalName') return;
    this.#fillFamilies(service);
    if (spec.clusterIP === 'None') return;
    const ips = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
    for (const ip of ips) this.#takeAddress(service, { address: ip, take });
    // A Service that goes back to one family gives up the second address.
    const kept = ips.slice(0, spec.ipFamilies!.length);
    const missing = spec.ipFamilies!.slice(kept.length).map((family) => this.#anyAddress(family, take));
    spec.clusterIPs = [...kept, ...missing];
    spec.clusterIP = spec.clusterIPs[0]!;
  }

  #anyAddress(family: string, take: (claim: string) => boolean): string {
    const { cidr, pool } = this.#ranges.find((range) => range.family === family)!;
    const index = pool.takeAny();
    if (index === undefined) throw new ApiError('InternalError', `failed to allocate a serviceIP: range is full`);
    pool.release(index);
    const address = formatIp(cidrAddress(cidr, index + 1));
    take(`ip/${address}`);
    return address;
  }

  /** Which families a Service has, in their order (KEP-563). */
  #fillFamilies(service: Service): void {
    const spec = service.spec!;
    const free = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0;
    const named = (spec.clusterIPs ?? []).flatMap((ip) => familyName(ip) ?? []);
    const asked = spec.ipFamilies?.length ? (spec.ipFamilies as Family[]) : named;
    const two = asked.length > 1 || named.length > 1;
    spec.ipFamilyPolicy ??= free || two ? 'RequireDualStack' : 'SingleStack';
    const families = asked.length > 0 ? [...asked] : [this.#ranges[0]!.family];
    const other = OTHER_FAMILY[families[0]!];
    const wantsBoth = spec.ipFamilyPolicy !== 'SingleStack';
    // Headless Services without a selector may have endpoints of any family, whatever the cluster has.
    const available = (family: Family) => free || this.#ranges.some((range) => range.family === family);
    if (wantsBoth && families.length === 1 && available(other)) families.push(other);
    if (!wantsBoth) families.splice(1);
    spec.ipFamilies = families;
    this.#checkFamilies(service, available);
  }

  #checkFamilies(service: Service, available: (family: Family) => boolean): void {
    const { ipFamilyPolicy } = service.spec!;
    const ipFamilies = service.spec!.ipFamilies as Family[];
    if (ipFamilyPolicy === 'RequireDualStack' && ipFamilies.length < 2) throw refused(service, [DUAL_STACK]);
    const foreign = ipFamilies.findIndex((family) => !available(family));
    if (foreign < 0) return;
    const family = ipFamilies[foreign];
    throw refused(service, [invalidValue(`spec.ipFamilies[${foreign}]`, family, 'not configured on this cluster')]);
  }

  #takeAddress(service: Service, { address, take }: { address: string; take: (claim: string) => boolean }): void {
    const family = familyName(address);
    if (!family) return;
    const at = this.#addressPlace(address);
    if (!at) {
      const { cidr } = this.#ranges.find((range) => range.family === family) ?? this.#ranges[0]!;
      const detail = `failed to allocate IP ${address}: the provided IP (${address}) is not in the valid range. The range of valid IPs is ${formatCidr(cidr)}`;
      throw refused(service, [invalidValue('spec.clusterIPs', [address], detail)]);
    }
    if (take(`ip/${address}`)) return;
    const detail = `failed to allocate IP ${address}: provided IP is already allocated`;
    throw refused(service, [invalidValue('spec.clusterIPs', [address], detail)]);
  }

  /** Undefined outside the ranges; a network's first and last address are nobody's. */
  #addressPlace(address: string): { pool: Pool; index: number } | undefined {
    const ip = parseIp(address);
    const range = ip && this.#ranges.find(({ cidr }) => cidrContains(cidr, ip));
    if (!range) return undefined;
    const index = ip.value - range.cidr.base - 1n;
    return index >= 0n && index < BigInt(range.size) ? { pool: range.pool, index: Number(index) } : undefined;
  }

  #allocatePorts(service: Service, take: (claim: string) => boolean): void {
    const spec = service.spec;
    const wanted = spec?.type === 'NodePort' || (spec?.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts);
    if (spec?.type !== 'NodePort' && spec?.type !== 'LoadBalancer') return;
    for (const [index, port] of (spec.ports ?? []).entries()) {
      if (port.nodePort) this.#takePort(service, { port, index, take });
      else if (wanted) this.#anyPort(service, { port, take });
    }
    if (spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local') this.#healthPort(spec, take);
  }

  #isNodePort(port: number): boolean {
    return port >= this.#range.from && port <= this.#range.to;
  }

  #outOfRange(): string {
    return `provided port is not in the valid range. The range of valid ports is ${this.#range.from}-${this.#range.to}`;
  }

  #takePort(service: Service, at: { port: ServicePort; index: number; take: (claim: string) => boolean }): void {
    const number = at.port.nodePort!;
    const field = `spec.ports[${at.index}].nodePort`;
    if (!this.#isNodePort(number)) throw refused(service, [invalidValue(field, number, this.#outOfRange())]);
    if (at.take(portClaim(number))) return;
    throw refused(service, [invalidValue(field, number, 'provided port is already allocated')]);
  }

  /** Ports of one Service with the same number (TCP and UDP) share a node port. */
  #anyPort(service: Service, { port, take }: { port: ServicePort; take: (claim: string) => boolean }): void {
    const twin = service.spec!.ports!.find((other) => other !== port && other.port === port.port && other.nodePort);
    if (twin && take(portClaim(twin.nodePort!))) {
      port.nodePort = twin.nodePort;
      return;
    }
    port.nodePort = this.#freePort();
    take(portClaim(port.nodePort));
  }

  #healthPort(spec: NonNullable<Service['spec']>, take: (claim: string) => boolean): void {
    spec.healthCheckNodePort ||= this.#freePort();
    const number = spec.healthCheckNodePort;
    const inRange = this.#isNodePort(number);
    if (inRange && take(portClaim(number))) return;
    const why = inRange ? 'provided port is already allocated' : this.#outOfRange();
    throw new ApiError('InternalError', `failed to allocate requested HealthCheck NodePort ${number}: ${why}`);
  }

  #freePort(): number {
    const index = this.#ports.takeAny();
    if (index === undefined) throw new ApiError('InternalError', 'failed to allocate a nodePort: range is full');
    this.#ports.release(index);
    return this.#range.from + index;
  }

  #take(claim: string): boolean {
    const at = this.#locate(claim);
    return at === undefined || at.pool.take(at.index);
  }

  #release(claim: string): void {
    const at = this.#locate(claim);
    at?.pool.release(at.index);
  }

  /** Undefined for what lies outside the ranges: kept from earlier settings, and nobody's to give out. */
  #locate(claim: string): { pool: Pool; index: number } | undefined {
    const [kind, value = ''] = claim.split('/');
    if (kind === 'port') {
      const port = Number(value);
      return this.#isNodePort(port) ? { pool: this.#ports, index: port - this.#range.from } : undefined;
    }
    return this.#addressPlace(value);
  }
}

const DUAL_STACK: FieldError = invalidValue(
  'spec.ipFamilyPolicy',
  'RequireDualStack',
  'this cluster is not configured for dual-stack services',
);

function refused(service: Service, errors: FieldError[]): ApiError {
  return invalid({ group: '', kind: 'Service' }, service.metadata.name, errors);
}

function portClaim(nodePort: number): string {
  return `port/${nodePort}`;
}

/** Everything a Service holds: `ip/<address>`, `port/<number>`. */
function claimsOf({ spec }: Service): string[] {
  if (!spec || spec.type === 'ExternalName') return [];
  const ips = (spec.clusterIPs ?? []).filter((ip) => ip !== 'None').map((ip) => `ip/${ip}`);
  const ports = (spec.ports ?? []).map((port) => port.nodePort).concat(spec.healthCheckNodePort);
  return [...ips, ...ports.flatMap((port) => (port ? [portClaim(port)] : []))];
}
