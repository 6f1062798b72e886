import { createHash } from 'node:crypto';
import { apiVersion } from '../api/resource.ts';
import type { Discovered } from './discovered.ts';
import type { ApiRequest, ApiResponse } from './request.ts';
import { json } from './respond.ts';

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

/** Answers `/api`, `/apis` and below, aggregated or not; undefined for other paths. `all` as `discovered` orders it. */
export function discover(all: readonly Discovered[], request: ApiRequest): ApiResponse | undefined {
  const path = request.path.replace(/\/$/, '');
  const version = aggregatedVersion(request.headers['accept'] ?? '');
  const [, root, group = '', groupVersion, more] = path.split('/');
  if ((root !== 'api' && root !== 'apis') || more !== undefined) return undefined;
  if (group === '' && version) return aggregate(all, { core: root === 'api', version, request });
  if (root === 'api') {
    if (group === '') return json(200, coreVersions(request));
    return groupVersion === undefined ? resourceList(all, group) : undefined;
  }
  if (group === '') return json(200, groupList(all));
  return groupVersion === undefined ? groupOf(all, group) : resourceList(all, `${group}/${groupVersion}`);
}

/** The version of `apidiscovery.k8s.io` that a client takes first (KEP-3352). */
function aggregatedVersion(accept: string): string | undefined {
  for (const part of accept.split(',')) {
    const parameters = part.split(';').map((text) => text.trim());
    const version = parameters.find((text) => text === 'v=v2' || text === 'v=v2beta1');
    if (version && parameters.includes('g=apidiscovery.k8s.io')) return version.slice(2);
  }
  return undefined;
}

function coreVersions(request: ApiRequest): object {
  const serverAddress = request.headers['host'] ?? '';
  const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress }];
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs };
}

function groups(all: readonly Discovered[]): { name: string }[] {
  const names = [...new Set(all.map(({ group }) => group))].filter((name) => name !== '');
  return names.map((name) => {
    const versions = versionsOf(all, name).map((version) => ({ groupVersion: `${name}/${version}`, version }));
    return { name, versions, preferredVersion: versions[0] };
  });
}

function versionsOf(all: readonly Discovered[], name: string): string[] {
  return [...new Set(all.filter(({ group }) => group === name).map(({ version }) => version))];
}

function groupList(all: readonly Discovered[]): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups(all) };
}

function groupOf(all: readonly Discovered[], name: string): ApiResponse | undefined {
  const found = groups(all).find((group) => group.name === name);
  return found && json(200, { kind: 'APIGroup', apiVersion: 'v1', ...found });
}

function resourceList(all: readonly Discovered[], groupVersion: string): ApiResponse | undefined {
  const kinds = all.filter((resource) => apiVersion(resource) === groupVersion);
  if (kinds.length === 0) return undefined;
  const resources = kinds.flatMap(
    ({ plural, singular, namespaced, kind, verbs, shortNames, categories, subresources }) => [
      {
        name: plural,
        singularName: singular,
        namespaced,
        kind,
        verbs,
        shortNames: shortNames.length > 0 ? shortNames : undefined,
        categories: categories.length > 0 ? categories : undefined,
      },
      ...subresources.map(({ name, ...rest }) => ({
        name: `${plural}/${name}`,
        singularName: '',
        namespaced,
        ...rest,
      })),
    ],
  );
  return json(200, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources });
}

interface Aggregation {
  readonly core: boolean;
  readonly version: string;
  readonly request: ApiRequest;
}

/** `apidiscovery.k8s.io` APIGroupDiscoveryList; a client that has it already is told so. */
function aggregate(all: readonly Discovered[], { core, version, request }: Aggregation): ApiResponse {
  const names = [...new Set(all.map(({ group }) => group))].filter((name) => (name === '') === core);
  const items = names.map((name) => ({
    metadata: { name: name || null, creationTimestamp: null },
    versions: versionsOf(all, name).map((of) => ({
      version: of,
      freshness: 'Current',
      resources: all.filter((kind) => kind.group === name && kind.version === of).map(aggregatedResource),
    })),
  }));
  const apiVersion = `apidiscovery.k8s.io/${version}`;
  const body = JSON.stringify({ kind: 'APIGroupDiscoveryList', apiVersion, metadata: {}, items });
  const etag = `"${createHash('sha256').update(body).digest('hex').toUpperCase()}"`;
  const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
  const headers = { 'content-type': type, etag, vary: 'Accept', 'cache-control': 'public' };
  if (request.headers['if-none-match'] === etag) return { status: 304, headers, body: '' };
  return { status: 200, headers, body };
}

function aggregatedResource(resource: Discovered): object {
  const { group, version, kind, plural, singular, namespaced, verbs, shortNames, categories, subresources } = resource;
  return {
    resource: plural,
    responseKind: { group, version, kind },
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs,
    shortNames,
    categories,
    subresources: subresources.map((sub) => ({
      subresource: sub.name,
      responseKind: { group: sub.group ?? group, version: sub.version ?? version, kind: sub.kind },
      verbs: sub.verbs,
    })),
  };
}
