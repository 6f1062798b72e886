import type { EndpointSlice, Ingress, IngressClass, Secret, Service } from '../api/types.ts';
import { type KeyPair, readKeyPair } from './certificate.ts';
import type { OwnClassOf } from './classes.ts';
import { type Claims, type ClassDefaults, createCompiler, type RouteClaim } from './compile.ts';
import { endpointsOf, findPort, mayBeReached, protocolOf } from './endpoints.ts';
import type {
  Backend,
  BackendProfile,
  Certificate,
  Endpoint,
  Problem,
  Route,
  RouteAction,
  RoutingTable,
} from './types.ts';

/** Where the table's facts come from; names are looked up as they are needed. */
export interface Facts {
  readonly ingresses: readonly Ingress[];
  readonly ownClassOf: OwnClassOf;
  /** Options that hold for a class, from its parameters. */
  classDefaults(ingressClass: IngressClass): ClassDefaults | undefined;
  findService(namespace: string, name: string): Service | undefined;
  /** EndpointSlices of a Service. */
  slicesOf(namespace: string, name: string): readonly EndpointSlice[];
  findSecret(namespace: string, name: string): Secret | undefined;
  /** Addresses of the name of an ExternalName Service, as far as they are known. */
  resolve(name: string): readonly string[];
}

export type Tabulate = (facts: Facts) => RoutingTable;

/** Makes the function from the cluster's state to the routing table; it remembers what it has read of unchanged objects. */
export function createTabulator(): Tabulate {
  const compile = createCompiler();
  const keyPairs = new WeakMap<Secret, KeyPair | Error>();
  return (facts) => new Table(facts, keyPairs).build(ownClaims(facts, compile));
}

/** Oldest first: who was there first keeps a host and path. */
function ownClaims(facts: Facts, compile: ReturnType<typeof createCompiler>): Claims[] {
  const own = facts.ingresses.flatMap((ingress) => {
    const ingressClass = ingress.metadata.deletionTimestamp ? undefined : facts.ownClassOf(ingress);
    return ingressClass ? [compile(ingress, ingressClass, facts.classDefaults(ingressClass))] : [];
  });
  return own.sort((a, b) => (a.age < b.age ? -1 : 1));
}

class Table {
  readonly #facts: Facts;
  readonly #keyPairs: WeakMap<Secret, KeyPair | Error>;
  readonly #routes = new Map<string, { route: Route; owner: Claims }>();
  readonly #backends = new Map<string, Backend>();
  readonly #problems: Problem[] = [];

  constructor(facts: Facts, keyPairs: WeakMap<Secret, KeyPair | Error>) {
    this.#facts = facts;
    this.#keyPairs = keyPairs;
  }

  build(all: readonly Claims[]): RoutingTable {
    for (const claims of all) this.#problems.push(...claims.problems);
    for (const rank of [0, 1, 2])
      for (const claims of all) for (const claim of claims.routes) if (claim.rank === rank) this.#claim(claim, claims);
    const certificates = this.#certificates(all);
    return {
      routes: [...this.#routes.values()].map(({ route }) => route),
      backends: this.#backends,
      certificates,
      problems: this.#problems,
    };
  }

  #claim(claim: RouteClaim, owner: Claims): void {
    const { host, path, match, rank } = claim;
    const key = `${match} ${host}${path}`;
    const taken = this.#routes.get(key);
    if (!taken)
      return void this.#routes.set(key, { route: { host, path, match, action: this.#action(claim, owner) }, owner });
    if (rank > 0 || claim.goTo) return;
    const where = `${host}${path || '/'}`;
    const by = taken.owner === owner ? 'another path of this Ingress' : `Ingress ${taken.owner.key}, which is older`;
    this.#problem(owner, 'Conflict', `${where} belongs to ${by}`);
  }

  #problem(owner: Claims, reason: Problem['reason'], message: string): void {
    this.#problems.push({ ingress: owner.key, reason, message });
  }

  #action(claim: RouteClaim, owner: Claims): RouteAction {
    const { options } = owner;
    if (options.refused) return {};
    const parent = claim.host.replace(/^[^.]+/, '*');
    const hasTls = owner.tls.some(({ hosts }) => hosts.includes(claim.host) || hosts.includes(parent));
    const toHttps = options.toHttps === 'always' || (options.toHttps === 'with-tls' && hasTls);
    const secure = toHttps ? { toHttps } : {};
    if (claim.goTo !== undefined) return { redirect: { status: 302, location: claim.goTo }, ...secure };
    if (options.redirect) return { redirect: options.redirect, ...secure };
    const shape = {
      ...(claim.rewrite && { rewrite: claim.rewrite }),
      ...(options.readTimeoutMs && { readTimeoutMs: options.readTimeoutMs }),
      ...(options.bodyBytesMax && { bodyBytesMax: options.bodyBytesMax }),
    };
    const profile = Object.keys(shape).length > 0 ? { ...options.profile, shaped: true as const } : options.profile;
    const backend = claim.service && this.#backend(claim.service, owner, profile);
    return { ...(backend !== undefined && { backend }), ...secure, ...shape };
  }

  #backend(
    { name, port }: NonNullable<RouteClaim['service']>,
    owner: Claims,
    wanted: BackendProfile,
  ): string | undefined {
    const { namespace, options } = owner;
    const service = this.#facts.findService(namespace, name);
    if (!service) return void this.#problem(owner, 'InvalidBackend', `Service ${namespace}/${name} is not there`);
    const profile = profileFor(service, wanted);
    const profileKey = keyOf(profile);
    const id = `${namespace}/${name}:${port.name ?? port.number} ${options.protocol ?? ''} ${profileKey === PLAIN ? '' : profileKey}`;
    if (this.#backends.has(id)) return id;
    const endpoints = this.#endpoints(service, { port, owner });
    if (!endpoints) return undefined;
    this.#backends.set(id, { id, profile, profileKey, endpoints });
    return id;
  }

  #endpoints(
    service: Service,
    { port, owner }: { port: { name?: string; number?: number }; owner: Claims },
  ): Endpoint[] | undefined {
    const { name, namespace = '' } = service.metadata;
    const found = findPort(service, port);
    const protocol = owner.options.protocol ?? protocolOf(found);
    const { externalName, type } = service.spec ?? {};
    if (type === 'ExternalName' && externalName) {
      const number = found?.port ?? port.number;
      if (!number)
        return void this.#problem(owner, 'InvalidBackend', `Service ${namespace}/${name} has no port "${port.name}"`);
      const addresses = this.#facts.resolve(externalName).filter(mayBeReached);
      return addresses.map((address) => ({ address, port: number, protocol }));
    }
    if (!found) {
      const wanted = port.name ? JSON.stringify(port.name) : port.number;
      return void this.#problem(owner, 'InvalidBackend', `Service ${namespace}/${name} has no port ${wanted}`);
    }
    return endpointsOf({ service, port: found, slices: this.#facts.slicesOf(namespace, name), protocol });
  }

  #certificates(all: readonly Claims[]): Certificate[] {
    const taken = new Map<string, { secret: string; owner: Claims }>();
    const served = new Map<string, { pem: string; hosts: string[] }>();
    for (const owner of all) {
      for (const { hosts, secretName } of owner.tls) {
        const pair = secretName === undefined ? undefined : this.#keyPair(secretName, owner);
        if (!pair) continue;
        const secret = `${owner.namespace}/${secretName}`;
        const entry = served.get(secret) ?? { pem: pair.pem, hosts: [] };
        const names = hosts.length > 0 ? hosts : pair.names;
        entry.hosts.push(...names.filter((host) => this.#takeHost(host, { secret, owner, pair, taken })));
        served.set(secret, entry);
      }
    }
    const entries = [...served].filter(([, { hosts }]) => hosts.length > 0);
    return entries.map(([secret, { pem, hosts }]) => ({ secret, pem, hosts: hosts.sort() }));
  }

  #takeHost(
    host: string,
    claim: { secret: string; owner: Claims; pair: KeyPair; taken: Map<string, { secret: string; owner: Claims }> },
  ): boolean {
    const { secret, owner, pair, taken } = claim;
    const holder = taken.get(host);
    if (holder) {
      if (holder.secret !== secret)
        this.#problem(
          owner,
          'Conflict',
          `the certificate of ${host} is that of Ingress ${holder.owner.key}, which is older`,
        );
      return false;
    }
    taken.set(host, { secret, owner });
    if (!pair.covers(host))
      this.#problem(
        owner,
        'InvalidCertificate',
        `the certificate in Secret ${secret} is not for ${host}; it is served all the same`,
      );
    return true;
  }

  #keyPair(secretName: string, owner: Claims): KeyPair | undefined {
    const secret = this.#facts.findSecret(owner.namespace, secretName);
    const at = `Secret ${owner.namespace}/${secretName}`;
    if (!secret) return void this.#problem(owner, 'InvalidCertificate', `${at} is not there`);
    let pair = this.#keyPairs.get(secret);
    if (!pair) {
      pair = attempt(() => readKeyPair(secret));
      this.#keyPairs.set(secret, pair);
    }
    if (!(pair instanceof Error)) return pair;
    return void this.#problem(owner, 'InvalidCertificate', `${at} cannot be used: ${pair.message}`);
  }
}

const profileKeys = new WeakMap<BackendProfile, string>();

function keyOf(profile: BackendProfile): string {
  let key = profileKeys.get(profile);
  if (key === undefined) {
    key = JSON.stringify(profile);
    profileKeys.set(profile, key);
  }
  return key;
}

const PLAIN = JSON.stringify({ balance: 'roundrobin' } satisfies BackendProfile);

/** A Service with `sessionAffinity: ClientIP` keeps its promise, unless the Ingress asks for something else. */
function profileFor(service: Service, profile: BackendProfile): BackendProfile {
  const sticky = service.spec?.sessionAffinity === 'ClientIP' && profile.balance === 'roundrobin' && !profile.cookie;
  return sticky ? { ...profile, balance: 'source' } : profile;
}

function attempt<T>(work: () => T): T | Error {
  try {
    return work();
  } catch (error) {
    return error as Error;
  }
}
