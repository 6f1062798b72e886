import { badRequest, notFound } from '../../api/errors.ts';
import { nodes } from '../../api/kinds/node.ts';
import { pods } from '../../api/kinds/pod.ts';
import { resourcePath } from '../../api/resource.ts';
import type { KubeObject, Node, Pod } from '../../api/types.ts';

/** The stored object at a URL path, if there is one. */
export type FindObject = (path: string) => KubeObject | undefined;

/** Nodes whose pods are only said to run. */
export const FAKE_LABEL = 'sampan.dev/fake';

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** Throws NotFound. */
export function findPod(find: FindObject, at: PodName): Pod {
  const pod = find(resourcePath(pods, at));
  if (!pod) throw notFound(pods, at.name);
  return pod as Pod;
}

/** The node that a pod runs on; BadRequest while the pod has none, NotFound when the node is gone. */
export function findNode(find: FindObject, pod: Pod): Node {
  const name = pod.spec?.nodeName;
  if (!name) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  const node = find(resourcePath(nodes, { name }));
  if (!node) throw notFound(nodes, name);
  if (node.metadata.labels?.[FAKE_LABEL] === 'true') {
    throw badRequest(`pod ${pod.metadata.name} is on the fake node ${name}: it has no containers`);
  }
  return node as Node;
}

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/**
 * The container that is meant: the one asked for, the pod's default by annotation, or its only one. Throws BadRequest for
 * one that the pod does not have, and when there are several to choose from.
 */
export function chooseContainer(pod: Pod, asked: string): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const names = containers.map(({ name }) => name);
  const all = [...names, ...initContainers.map(({ name }) => name), ...ephemeralContainers.map(({ name }) => name)];
  const { name, annotations } = pod.metadata;
  if (asked !== '') {
    if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return asked;
  }
  const preferred = annotations?.[DEFAULT_CONTAINER];
  if (preferred !== undefined && names.includes(preferred)) return preferred;
  if (names.length === 1 && names[0] !== undefined) return names[0];
  throw badRequest(`a container name must be specified for pod ${name}${choices(names, initContainers)}`);
}

function choices(names: readonly string[], initContainers: readonly { name: string }[]): string {
  if (names.length === 0) return '';
  const init = initContainers.map(({ name }) => name);
  const more = init.length > 0 ? ` or one of the init containers: [${init.join(' ')}]` : '';
  return `, choose one of: [${names.join(' ')}]${more}`;
}

/** A boolean query parameter: present means true, unless it is `false` or `0`. */
export function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value.toLowerCase() !== 'false' && value !== '0';
}
