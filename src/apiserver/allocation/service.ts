import { ApiError, invalid } from '../../api/errors.ts';
import { type FieldError, invalidValue } from '../../api/field-error.ts';
import type { ServicePort } from '../../api/resource.ts';
import type { Service } from '../../api/types.ts';
import { type Cidr, cidrAddress, cidrContains, cidrSize, formatCidr, formatIp, parseIp } from '../../lib/ip.ts';
import type { Admission } from '../admission.ts';
import { addressBand, Pool, portBand } from './pool.ts';

export interface ServiceAllocatorOptions {
  serviceCidr: Cidr;
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

class ServiceAllocator implements Admission<Service> {
  readonly resource = { group: '', plural: 'services' };
  readonly #cidr: Cidr;
  readonly #range: { from: number; to: number };
  readonly #addresses: Pool;
  /** One number space for all protocols. */
  readonly #ports: Pool;

  constructor({ serviceCidr, nodePortRange, random, services }: ServiceAllocatorOptions) {
    this.#cidr = serviceCidr;
    this.#range = nodePortRange;
    // The network's first and last address are nobody's.
    const size = Number(cidrSize(serviceCidr));
    this.#addresses = new Pool({ size: size - 2, staticBand: addressBand(size), random });
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
    if (spec.clusterIP) return this.#takeAddress(service, take);
    const index = this.#addresses.takeAny();
    if (index === undefined) {
      throw new ApiError('InternalError', `failed to allocate a serviceIP: range is full`);
    }
    this.#addresses.release(index);
    spec.clusterIP = formatIp(cidrAddress(this.#cidr, index + 1));
    spec.clusterIPs = [spec.clusterIP];
    take(`ip/${spec.clusterIP}`);
  }

  /** Headless Services without a selector may have endpoints of any family, whatever the cluster has. */
  #fillFamilies(service: Service): void {
    const spec = service.spec!;
    const own = this.#cidr.family === 4 ? 'IPv4' : 'IPv6';
    const free = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0;
    spec.ipFamilyPolicy ??= free ? 'RequireDualStack' : 'SingleStack';
    if (!spec.ipFamilies?.length) spec.ipFamilies = [own];
    if (free) {
      const other = spec.ipFamilies[0] === 'IPv4' ? 'IPv6' : 'IPv4';
      if (spec.ipFamilyPolicy !== 'SingleStack' && spec.ipFamilies.length === 1) spec.ipFamilies.push(other);
      return;
    }
    if (spec.ipFamilyPolicy === 'RequireDualStack') throw refused(service, [DUAL_STACK]);
    const foreign = spec.ipFamilies.findIndex((family) => family !== own);
    if (foreign < 0) return;
    const family = spec.ipFamilies[foreign];
    throw refused(service, [invalidValue(`spec.ipFamilies[${foreign}]`, family, 'not configured on this cluster')]);
  }

  #takeAddress(service: Service, take: (claim: string) => boolean): void {
    const address = service.spec!.clusterIP!;
    const ip = parseIp(address);
    if (!ip) return;
    if (!this.#inRange(address)) {
      const detail = `failed to allocate IP ${address}: the provided IP (${address}) is not in the valid range. The range of valid IPs is ${formatCidr(this.#cidr)}`;
      throw refused(service, [invalidValue('spec.clusterIPs', [address], detail)]);
    }
    if (take(`ip/${address}`)) return;
    const detail = `failed to allocate IP ${address}: provided IP is already allocated`;
    throw refused(service, [invalidValue('spec.clusterIPs', [address], detail)]);
  }

  #inRange(address: string): boolean {
    const ip = parseIp(address);
    if (!ip || !cidrContains(this.#cidr, ip)) return false;
    return ip.value !== this.#cidr.base && ip.value !== this.#cidr.base + cidrSize(this.#cidr) - 1n;
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
    if (!this.#inRange(value)) return undefined;
    return { pool: this.#addresses, index: Number(parseIp(value)!.value - this.#cidr.base) - 1 };
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
