import type { Ingress, IngressClass } from '../api/types.ts';
import { type IngressOptions, readOptions } from './annotations.ts';
import { encodePath, prefixOf, rewritePath } from './paths.ts';
import type { IngressKey, Problem, Rewrite, Route } from './types.ts';

/** One path of a rule, or a default backend. */
export interface RouteClaim extends Pick<Route, 'host' | 'path' | 'match'> {
  /** Lower ranks go first: a rule, the default of an Ingress' own hosts, the default of everything. */
  readonly rank: 0 | 1 | 2;
  readonly service?: { readonly name: string; readonly port: { readonly name?: string; readonly number?: number } };
  readonly rewrite?: Rewrite;
  /** `app-root`: requests for `/` go to this path. */
  readonly goTo?: string;
}

export interface TlsClaim {
  readonly hosts: readonly string[];
  readonly secretName: string | undefined;
}

/** What one Ingress asks for, before it meets the others. */
export interface Claims {
  readonly key: IngressKey;
  /** Sorts older Ingresses first, and those of one second by name. */
  readonly age: string;
  readonly namespace: string;
  readonly options: IngressOptions;
  readonly routes: readonly RouteClaim[];
  readonly tls: readonly TlsClaim[];
  readonly problems: readonly Problem[];
}

type Rule = NonNullable<NonNullable<Ingress['spec']>['rules']>[number];
type Path = NonNullable<Rule['http']>['paths'][number];
type IngressBackend = Path['backend'];

/** `data` of the ConfigMap that a class names as its parameters: options without a prefix. */
export type ClassDefaults = Readonly<Record<string, string>>;

/** Pure: an Ingress by itself. */
export function compileIngress(ingress: Ingress, defaults: ClassDefaults = {}): Claims {
  const { name, namespace = '' } = ingress.metadata;
  const key = `${namespace}/${name}`;
  const options = readOptions(ingress.metadata.annotations, defaults);
  const problems: Problem[] = [];
  const report = (reason: Problem['reason'], message: string) => problems.push({ ingress: key, reason, message });
  for (const message of options.invalid) report('InvalidAnnotation', message);
  if (options.refused)
    report('UnsupportedAnnotation', `not served, for what would protect it is not there: ${options.refused}`);
  if (options.unsupported.length > 0)
    report('UnsupportedAnnotation', `has no effect: ${options.unsupported.join(', ')}`);
  const rules = ingress.spec?.rules ?? [];
  const claimed = rules.flatMap((rule) => ruleClaims(rule, { options, report }));
  return {
    key,
    age: `${ingress.metadata.creationTimestamp ?? ''} ${key}`,
    namespace,
    options,
    routes: [...claimed, ...appRoots(claimed, options), ...defaultClaims(ingress, report)],
    tls: (ingress.spec?.tls ?? []).map(({ hosts, secretName }) => ({
      // As the API says: without hosts, an entry is for what the rules name.
      hosts: hosts?.length ? hosts.map((host) => host.toLowerCase()) : namedHosts(rules),
      secretName: secretName || undefined,
    })),
    problems,
  };
}

/** Longer ones are no paths of people, and lines of maps have an end. */
const PATH_BYTES_MAX = 1024;

type Report = (reason: Problem['reason'], message: string) => void;

function ruleClaims(rule: Rule, { options, report }: { options: IngressOptions; report: Report }): RouteClaim[] {
  const host = rule.host?.toLowerCase() || '*';
  return (rule.http?.paths ?? []).flatMap((path) => {
    try {
      const claim = pathClaim(path, { host, target: options.rewriteTarget });
      return [{ ...claim, ...backendOf(path.backend, report) }];
    } catch (error) {
      report('InvalidAnnotation', `${host}: ${(error as Error).message}`);
      return [];
    }
  });
}

function pathClaim(path: Path, { host, target }: { host: string; target: string | undefined }): RouteClaim {
  const given = path.path || '/';
  if (Buffer.byteLength(encodePath(given)) > PATH_BYTES_MAX)
    throw new Error(`a path may have ${PATH_BYTES_MAX} bytes at most`);
  if (path.pathType === 'Exact') {
    const { rewrite } = target === undefined ? {} : rewritePath(given, target);
    return { rank: 0, host, path: encodePath(given), match: 'exact', ...(rewrite && { rewrite }) };
  }
  const patterned = path.pathType === 'ImplementationSpecific' || target !== undefined;
  const { path: literal, rewrite } = patterned ? rewritePath(given, target) : { path: given };
  return { rank: 0, host, path: prefixOf(literal), match: 'prefix', ...(rewrite && { rewrite }) };
}

function backendOf(backend: IngressBackend, report: Report): Pick<RouteClaim, 'service'> {
  const { service, resource } = backend;
  if (service) return { service: { name: service.name, port: service.port ?? {} } };
  report('InvalidBackend', `a backend that is a ${resource?.kind ?? 'resource'} is not supported: only Services are`);
  return {};
}

/** `app-root` stands beside the rules of each host. */
function appRoots(claimed: readonly RouteClaim[], { appRoot }: IngressOptions): RouteClaim[] {
  if (appRoot === undefined) return [];
  const hosts = new Set(claimed.map(({ host }) => host));
  return [...hosts].map((host) => ({ rank: 0, host, path: '/', match: 'exact', goTo: appRoot }));
}

/** For the hosts of the Ingress, and for all that nobody has a rule for. */
function defaultClaims({ spec }: Ingress, report: Report): RouteClaim[] {
  if (!spec?.defaultBackend) return [];
  const backend = backendOf(spec.defaultBackend, report);
  const claim = { path: '', match: 'prefix', ...backend } as const;
  return [
    ...namedHosts(spec.rules ?? []).map((host) => ({ ...claim, rank: 1 as const, host })),
    { ...claim, rank: 2, host: '*' },
  ];
}

function namedHosts(rules: readonly Rule[]): string[] {
  return [...new Set(rules.flatMap(({ host }) => (host ? [host.toLowerCase()] : [])))];
}

/** Claims by Ingress object: objects of caches never change. */
export function createCompiler(): (ingress: Ingress, ingressClass: IngressClass, defaults?: ClassDefaults) => Claims {
  const known = new WeakMap<Ingress, { defaults: ClassDefaults | undefined; claims: Claims }>();
  return (ingress, _class, defaults) => {
    const found = known.get(ingress);
    if (found && found.defaults === defaults) return found.claims;
    const claims = compileIngress(ingress, defaults);
    known.set(ingress, { defaults, claims });
    return claims;
  };
}
