import type { EndpointSlice, Ingress, IngressClass, Secret, Service } from '../api/types.ts';
import { systemClock } from '../lib/clock.ts';
import { createAuthority, issueCertificate } from '../pki/authority.ts';
import { CONTROLLER, ownClasses } from './classes.ts';
import type { Facts } from './table.ts';

type Path = NonNullable<NonNullable<NonNullable<Ingress['spec']>['rules']>[number]['http']>['paths'][number];

/** `/path Exact service:port`: type and port may be left out. */
export function path(text: string): Path {
  const [where = '/', ...rest] = text.split(' ');
  const [service = 'web', port = '80'] = (rest.at(-1) ?? '').split(':');
  const pathType = (rest.length > 1 ? rest[0] : 'Prefix') as Path['pathType'];
  return { path: where, pathType, backend: { service: { name: service, port: portReference(port) } } };
}

function portReference(port: string) {
  return /^\d+$/.test(port) ? { number: Number(port) } : { name: port };
}

export interface IngressParts {
  readonly name?: string;
  readonly namespace?: string;
  readonly annotations?: Record<string, string>;
  /** Host → {@link path}s; an empty host stands for every host. */
  readonly rules?: Readonly<Record<string, readonly string[]>>;
  /** `service:port` */
  readonly defaultBackend?: string;
  readonly tls?: NonNullable<Ingress['spec']>['tls'];
  readonly className?: string | null;
  /** Order of creation. */
  readonly age?: number;
}

/** An Ingress of the class `sampan`. */
export function ingress(parts: IngressParts): Ingress {
  const { name = 'i', namespace = 'default', annotations = {}, rules, tls, className = 'sampan', age = 0 } = parts;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace, annotations, creationTimestamp: `2026-01-01T00:00:${String(age).padStart(2, '0')}Z` },
    spec: {
      ...(className === null ? {} : { ingressClassName: className }),
      ...(rules && {
        rules: Object.entries(rules).map(([host, paths]) => ({
          ...(host && { host }),
          http: { paths: paths.map(path) },
        })),
      }),
      ...(parts.defaultBackend && { defaultBackend: path(`/ ${parts.defaultBackend}`).backend }),
      ...(tls && { tls }),
    },
  };
}

/** Annotations as charts write them. */
export function nginx(options: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]),
  );
}

/** A Service with one port, `http` at 80. */
export function service(name: string, spec: Service['spec'] = {}): Service {
  const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: { ports, ...spec } };
}

export function slice(
  of: string,
  addresses: readonly string[],
  options: { port?: number; conditions?: object; addressType?: 'IPv4' | 'IPv6' } = {},
): EndpointSlice {
  const { port = 8080, conditions = { ready: true }, addressType = 'IPv4' } = options;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${of}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': of } },
    addressType,
    ports: [{ name: 'http', port }],
    endpoints: addresses.map((address) => ({ addresses: [address], conditions })),
  };
}

export function ingressClass(name: string, spec: IngressClass['spec'] = { controller: CONTROLLER }): IngressClass {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name }, spec };
}

const authority = createAuthority({ commonName: 'test', clock: systemClock });

/** A TLS Secret with a certificate of its own. */
export function tlsSecret(name: string, dnsNames: readonly string[]): Secret {
  const { certPem, keyPem } = issueCertificate(authority, {
    commonName: dnsNames[0] ?? name,
    dnsNames,
    usage: 'server',
  });
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name, namespace: 'default' },
    data: { 'tls.crt': base64(certPem), 'tls.key': base64(keyPem) },
  };
}

/** The authority of {@link tlsSecret}, PEM. */
export const AUTHORITY = authority.certPem;

export interface World {
  readonly ingresses: readonly Ingress[];
  readonly services?: readonly Service[];
  readonly slices?: readonly EndpointSlice[];
  readonly secrets?: readonly Secret[];
  readonly classes?: readonly IngressClass[];
  readonly names?: Readonly<Record<string, readonly string[]>>;
  readonly classDefaults?: Readonly<Record<string, string>>;
}

/** Facts as the caches would give them. */
export function factsOf(world: World): Facts {
  const { services = [], slices = [], secrets = [], classes = [ingressClass('sampan')], names = {} } = world;
  const named =
    <T extends Service | Secret>(all: readonly T[]) =>
    (namespace: string, name: string) =>
      all.find(({ metadata }) => metadata.name === name && metadata.namespace === namespace);
  return {
    ingresses: world.ingresses,
    ownClassOf: ownClasses((name) => classes.find(({ metadata }) => metadata.name === name)),
    classDefaults: () => world.classDefaults,
    findService: named(services),
    slicesOf: (_namespace, name) => slices.filter(({ metadata }) => metadata.name.startsWith(`${name}-`)),
    findSecret: named(secrets),
    resolve: (name) => names[name] ?? [],
  };
}
