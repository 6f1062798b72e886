import { ApiError, badRequest, notFound } from '../../api/errors.ts';
import { endpoints } from '../../api/kinds/endpoints.ts';
import { nodes } from '../../api/kinds/node.ts';
import { pods } from '../../api/kinds/pod.ts';
import { services } from '../../api/kinds/service.ts';
import { resourcePath } from '../../api/resource.ts';
import type { Endpoints, Node, Pod, Service } from '../../api/types.ts';
import { type AgentAddress, internalAddress } from './agent.ts';
import { FAKE_LABEL, type FindObject } from './pod.ts';

/** What follows `/proxy` goes to this. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
  readonly scheme: 'http' | 'https';
  /** It is a node's agent, which wants to know who asks. */
  readonly agent: boolean;
}

export interface ProxyPath {
  readonly plural: 'pods' | 'services' | 'nodes';
  readonly namespace: string;
  /** `web`, `web:8080`, `https:web:8080` */
  readonly id: string;
  /** Path of the request before what is passed on. */
  readonly prefix: string;
  /** As it was sent; empty when nothing follows `/proxy`. */
  readonly rest: string;
}

const PATH = /^(\/api\/v1\/(?:nodes\/([^/]+)|namespaces\/([^/]+)\/(pods|services)\/([^/]+))\/proxy)(\/.*)?$/;

/** Undefined for other paths. */
export function parseProxyPath(path: string): ProxyPath | undefined {
  const match = PATH.exec(path);
  if (!match) return undefined;
  const [, prefix = '', node, namespace = '', plural = 'nodes', name = '', rest = ''] = match;
  return {
    plural: plural as ProxyPath['plural'],
    namespace: decodeURIComponent(namespace),
    id: decodeURIComponent(node ?? name),
    prefix,
    rest,
  };
}

interface Id {
  readonly scheme: '' | 'http' | 'https';
  readonly name: string;
  readonly port: string;
}

const SINGULAR = { pods: 'pod', services: 'service', nodes: 'node' } as const;

/** Throws BadRequest. */
export function splitId(id: string, plural: ProxyPath['plural']): Id {
  const parts = id.split(':');
  const [scheme, name, port] = parts.length === 3 ? parts : ['', parts[0], parts[1]];
  if (parts.length > 3 || !name || !['', 'http', 'https'].includes(scheme ?? '')) {
    throw badRequest(`invalid ${SINGULAR[plural]} request ${JSON.stringify(id)}`);
  }
  return { scheme: (scheme ?? '') as Id['scheme'], name, port: port ?? '' };
}

export interface TargetOptions {
  readonly find: FindObject;
  readonly addressOf?: ((node: Node) => AgentAddress) | undefined;
  /** One of `count` choices: the next each time. */
  readonly choose: (count: number) => number;
}

/** Where a request goes. Throws NotFound, BadRequest, or ServiceUnavailable for a Service that nothing stands behind. */
export function findTarget(options: TargetOptions, path: ProxyPath): ProxyTarget {
  const id = splitId(path.id, path.plural);
  if (path.plural === 'nodes') return nodeTarget(options, id);
  const at = { namespace: path.namespace, name: id.name };
  return path.plural === 'pods' ? podTarget(options, id, at) : serviceTarget(options, id, at);
}

function nodeTarget({ find, addressOf = internalAddress }: TargetOptions, id: Id): ProxyTarget {
  const node = find(resourcePath(nodes, { name: id.name })) as Node | undefined;
  if (!node) throw notFound(nodes, id.name);
  if (node.metadata.labels?.[FAKE_LABEL] === 'true') throw badRequest(`nothing listens on the fake node ${id.name}`);
  const agent = addressOf(node);
  if (id.port === '' || Number(id.port) === agent.port) return { ...agent, scheme: 'https', agent: true };
  return { host: agent.host, port: portNumber(id.port), scheme: id.scheme || 'http', agent: false };
}

function podTarget({ find }: TargetOptions, id: Id, at: { namespace: string; name: string }): ProxyTarget {
  const pod = find(resourcePath(pods, at)) as Pod | undefined;
  if (!pod) throw notFound(pods, at.name);
  const host = pod.status?.podIP;
  if (!host) throw badRequest('address not allowed');
  const first = pod.spec?.containers.flatMap((container) => container.ports ?? [])[0]?.containerPort;
  const scheme = id.scheme || 'http';
  const port = id.port === '' ? (first ?? (scheme === 'https' ? 443 : 80)) : portNumber(id.port);
  return { host, port, scheme, agent: false };
}

function serviceTarget(options: TargetOptions, id: Id, at: { namespace: string; name: string }): ProxyTarget {
  const service = options.find(resourcePath(services, at)) as Service | undefined;
  if (!service) throw notFound(services, at.name);
  const name = portName(service, id.port);
  const found = options.find(resourcePath(endpoints, at)) as Endpoints | undefined;
  const choices = (found?.subsets ?? []).flatMap(({ addresses = [], ports = [] }) => {
    const port = ports.find((one) => (one.name ?? '') === name);
    return port ? addresses.map(({ ip }) => ({ host: ip, port: port.port })) : [];
  });
  if (choices.length === 0) throw unavailable(`no endpoints available for service ${JSON.stringify(at.name)}`);
  return { ...choices[options.choose(choices.length)]!, scheme: id.scheme || 'http', agent: false };
}

/** Name of the port that is meant, by its name or its number; without either the only one. */
function portName({ metadata, spec }: Service, asked: string): string {
  const ports = spec?.ports ?? [];
  if (asked === '' && ports.length === 1) return ports[0]!.name ?? '';
  if (!/^\d+$/.test(asked)) return asked;
  const found = ports.find(({ port }) => port === Number(asked));
  if (!found) throw unavailable(`no service port ${asked} found for service ${JSON.stringify(metadata.name)}`);
  return found.name ?? '';
}

function unavailable(message: string): ApiError {
  return new ApiError('ServiceUnavailable', message);
}

function portNumber(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw badRequest(`invalid port ${JSON.stringify(text)}`);
  return port;
}
