import { apiVersion, type Resource } from '../api/resource.ts';
import type { ApiRequest, ApiResponse } from './request.ts';
import { json } from './respond.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

export const SERVER_VERSION = {
  major: '1',
  minor: '35',
  gitVersion: 'v1.35.0+sampan',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: 'linux/amd64',
};

/** A subresource that is not derived from the row itself (`pods/exec`). */
export interface SubresourceInfo {
  readonly name: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly group?: string;
  readonly version?: string;
}

const SUBRESOURCES: Record<string, readonly SubresourceInfo[]> = {
  pods: [
    { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
    { name: 'binding', kind: 'Binding', verbs: ['create'] },
    { name: 'ephemeralcontainers', kind: 'Pod', verbs: ['get', 'patch', 'update'] },
    { name: 'eviction', kind: 'Eviction', verbs: ['create'], group: 'policy', version: 'v1' },
    { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
    { name: 'log', kind: 'Pod', verbs: ['get'] },
    { name: 'portforward', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
    { name: 'proxy', kind: 'PodProxyOptions', verbs: ['create', 'delete', 'get', 'patch', 'update'] },
  ],
  services: [{ name: 'proxy', kind: 'ServiceProxyOptions', verbs: ['create', 'delete', 'get', 'patch', 'update'] }],
  nodes: [{ name: 'proxy', kind: 'NodeProxyOptions', verbs: ['create', 'delete', 'get', 'patch', 'update'] }],
  namespaces: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
  serviceaccounts: [
    { name: 'token', kind: 'TokenRequest', verbs: ['create'], group: 'authentication.k8s.io', version: 'v1' },
  ],
};

function subresourcesOf(resource: Resource): SubresourceInfo[] {
  const own: SubresourceInfo[] = [];
  if (resource.status) own.push({ name: 'status', kind: resource.kind, verbs: ['get', 'patch', 'update'] });
  if (resource.scale) {
    own.push({ name: 'scale', kind: 'Scale', verbs: ['get', 'patch', 'update'], group: 'autoscaling', version: 'v1' });
  }
  return [...own, ...(resource.group === '' ? (SUBRESOURCES[resource.plural] ?? []) : [])];
}

/** Answers `/api`, `/apis` and below, aggregated or not; undefined for other paths. */
export function discover(registry: readonly Resource[], request: ApiRequest): ApiResponse | undefined {
  const accept = request.headers['accept'] ?? '';
  const aggregated = /g=apidiscovery\.k8s\.io;v=(v2beta1|v2)|v=(v2beta1|v2);g=apidiscovery\.k8s\.io/.exec(accept);
  const version = aggregated?.[1] ?? aggregated?.[2];
  const path = request.path.replace(/\/$/, '');
  if (path === '/api') return version ? aggregate(registry, { core: true, version }) : json(200, coreVersions(request));
  if (path === '/apis') return version ? aggregate(registry, { core: false, version }) : json(200, groupList(registry));
  const [, root, group = '', groupVersion] = path.split('/');
  if (root === 'api' && groupVersion === undefined) return resourceList(registry, group);
  if (root !== 'apis') return undefined;
  if (groupVersion === undefined) return groupOf(registry, group);
  return path.split('/').length === 4 ? resourceList(registry, `${group}/${groupVersion}`) : undefined;
}

function coreVersions(request: ApiRequest): object {
  const serverAddress = request.headers['host'] ?? '';
  const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress }];
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs };
}

function groups(registry: readonly Resource[]): object[] {
  const names = [...new Set(registry.map(({ group }) => group))].filter((name) => name !== '');
  return names.map((name) => {
    const all = [...new Set(registry.filter(({ group }) => group === name).map(({ version }) => version))];
    const versions = all.map((version) => ({ groupVersion: `${name}/${version}`, version }));
    return { name, versions, preferredVersion: versions[0] };
  });
}

function groupList(registry: readonly Resource[]): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups(registry) };
}

function groupOf(registry: readonly Resource[], name: string): ApiResponse | undefined {
  const found = groups(registry).find((group) => (group as { name: string }).name === name);
  return found && json(200, { kind: 'APIGroup', apiVersion: 'v1', ...found });
}

function resourceList(registry: readonly Resource[], groupVersion: string): ApiResponse | undefined {
  const rows = registry.filter((resource) => apiVersion(resource) === groupVersion);
  if (rows.length === 0) return undefined;
  const resources = rows.flatMap((resource) => [
    {
      name: resource.plural,
      singularName: resource.singular,
      namespaced: resource.namespaced,
      kind: resource.kind,
      verbs: VERBS,
      shortNames: resource.shortNames.length > 0 ? resource.shortNames : undefined,
      categories: resource.categories.length > 0 ? resource.categories : undefined,
    },
    ...subresourcesOf(resource).map(({ name, ...rest }) => ({
      name: `${resource.plural}/${name}`,
      singularName: '',
      namespaced: resource.namespaced,
      ...rest,
    })),
  ]);
  return json(200, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources });
}

/** `apidiscovery.k8s.io` APIGroupDiscoveryList (KEP-3352). */
function aggregate(registry: readonly Resource[], options: { core: boolean; version: string }): ApiResponse {
  const names = [...new Set(registry.map(({ group }) => group))].filter((name) => (name === '') === options.core);
  const items = names.map((name) => {
    const rows = registry.filter(({ group }) => group === name);
    const versions = [...new Set(rows.map(({ version }) => version))].map((version) => ({
      version,
      freshness: 'Current',
      resources: rows.filter((resource) => resource.version === version).map(aggregatedResource),
    }));
    return { metadata: { name: name || null, creationTimestamp: null }, versions };
  });
  const apiVersion = `apidiscovery.k8s.io/${options.version}`;
  const body = { kind: 'APIGroupDiscoveryList', apiVersion, metadata: {}, items };
  const type = `application/json;g=apidiscovery.k8s.io;v=${options.version};as=APIGroupDiscoveryList`;
  return { status: 200, headers: { 'content-type': type }, body: JSON.stringify(body) };
}

function aggregatedResource(resource: Resource): object {
  const { group, version, kind } = resource;
  return {
    resource: resource.plural,
    responseKind: { group, version, kind },
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: VERBS,
    shortNames: resource.shortNames,
    categories: resource.categories,
    subresources: subresourcesOf(resource).map((sub) => ({
      subresource: sub.name,
      responseKind: { group: sub.group ?? group, version: sub.version ?? version, kind: sub.kind },
      verbs: sub.verbs,
    })),
  };
}
