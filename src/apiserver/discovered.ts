import type { Resource } from '../api/resource.ts';

/** A resource as discovery shows it. */
export interface Discovered
  extends Pick<
    Resource,
    'group' | 'version' | 'kind' | 'plural' | 'singular' | 'namespaced' | 'shortNames' | 'categories'
  > {
  readonly verbs: readonly string[];
  readonly subresources: readonly DiscoveredSubresource[];
}

/** A subresource; of its resource's own group and version when it names none. */
export interface DiscoveredSubresource {
  readonly name: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly group?: string;
  readonly version?: string;
}

/** Tells whether a subresource is served by something else than the verbs. */
export type Serves = (group: string, plural: string, subresource: string) => boolean;

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const CHANGE = ['get', 'patch', 'update'];
const CONNECT = ['create', 'get'];
const PROXY = ['create', 'delete', 'get', 'patch', 'update'];

/** Subresources beyond `status` and `scale`, by resource. */
const SUBRESOURCES: Readonly<Record<string, readonly DiscoveredSubresource[]>> = {
  namespaces: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
  nodes: [{ name: 'proxy', kind: 'NodeProxyOptions', verbs: PROXY }],
  pods: [
    { name: 'attach', kind: 'PodAttachOptions', verbs: CONNECT },
    { name: 'binding', kind: 'Binding', verbs: ['create'] },
    { name: 'ephemeralcontainers', kind: 'Pod', verbs: CHANGE },
    { name: 'eviction', kind: 'Eviction', verbs: ['create'], group: 'policy', version: 'v1' },
    { name: 'exec', kind: 'PodExecOptions', verbs: CONNECT },
    { name: 'log', kind: 'Pod', verbs: ['get'] },
    { name: 'portforward', kind: 'PodPortForwardOptions', verbs: CONNECT },
    { name: 'proxy', kind: 'PodProxyOptions', verbs: PROXY },
    { name: 'resize', kind: 'Pod', verbs: CHANGE },
  ],
  serviceaccounts: [
    { name: 'token', kind: 'TokenRequest', verbs: ['create'], group: 'authentication.k8s.io', version: 'v1' },
  ],
  services: [{ name: 'proxy', kind: 'ServiceProxyOptions', verbs: PROXY }],
  'certificatesigningrequests.certificates.k8s.io': [
    { name: 'approval', kind: 'CertificateSigningRequest', verbs: CHANGE },
  ],
};

/** Those that the verbs serve themselves. */
const OF_VERBS = new Set([
  'certificatesigningrequests/approval',
  'namespaces/finalize',
  'pods/binding',
  'pods/ephemeralcontainers',
  'pods/eviction',
]);

/** Kinds that are asked and never kept. */
const REVIEWS: readonly Discovered[] = [
  review('authentication.k8s.io', 'SelfSubjectReview'),
  review('authentication.k8s.io', 'TokenReview'),
  review('authorization.k8s.io', 'LocalSubjectAccessReview', true),
  review('authorization.k8s.io', 'SelfSubjectAccessReview'),
  review('authorization.k8s.io', 'SelfSubjectRulesReview'),
  review('authorization.k8s.io', 'SubjectAccessReview'),
];

function review(group: string, kind: string, namespaced = false): Discovered {
  const singular = kind.toLowerCase();
  const names = { plural: `${singular}s`, singular, shortNames: [], categories: [] };
  return { group, version: 'v1', kind, namespaced, ...names, verbs: ['create'], subresources: [] };
}

/** Groups in the order of Kubernetes' aggregator: clients take the first that has a name. Groups of definitions come last. */
const GROUP_ORDER = [
  '',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'extensions',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
];

/** All that is served, group by group in order, versions as the rows have them, resources by name. */
export function discovered(rows: readonly Resource[], serves: Serves): Discovered[] {
  const all = [...rows.map((row) => fromRow(row, serves)), ...REVIEWS];
  const versions = [...new Set(all.map(({ group, version }) => `${group}/${version}`))];
  const place = ({ group, version }: Discovered) => versions.indexOf(`${group}/${version}`);
  return all.sort((a, b) => compareGroups(a.group, b.group) || place(a) - place(b) || (a.plural < b.plural ? -1 : 1));
}

function compareGroups(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [GROUP_ORDER.indexOf(a) >>> 0, GROUP_ORDER.indexOf(b) >>> 0];
  if (x !== y) return x - y;
  return a < b ? -1 : 1;
}

function fromRow(row: Resource, serves: Serves): Discovered {
  const { group, version, kind, plural, singular, namespaced, shortNames, categories } = row;
  // A namespace is more than an object: all of them are not deleted by one request.
  const verbs = group === '' && plural === 'namespaces' ? VERBS.filter((verb) => verb !== 'deletecollection') : VERBS;
  const names = { group, version, kind, plural, singular, namespaced, shortNames, categories };
  return { ...names, verbs, subresources: subresourcesOf(row, serves) };
}

function subresourcesOf({ group, plural, kind, ...row }: Resource, serves: Serves): DiscoveredSubresource[] {
  const named = SUBRESOURCES[group === '' ? plural : `${plural}.${group}`] ?? [];
  const all: DiscoveredSubresource[] = named.filter(
    ({ name }) => OF_VERBS.has(`${plural}/${name}`) || serves(group, plural, name),
  );
  if (row.status) all.push({ name: 'status', kind, verbs: CHANGE });
  if (row.scale) all.push({ name: 'scale', kind: 'Scale', verbs: CHANGE, group: 'autoscaling', version: 'v1' });
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}
