import { endpointSlices } from '../../api/kinds/endpointslice.ts';
import { services } from '../../api/kinds/service.ts';
import type { EndpointSlice, Service } from '../../api/types.ts';
import type { Store } from '../../store/store.ts';
import { keyOf, keyPrefix, objectOf } from '../objects.ts';
import type { ClientConfig } from './configurations.ts';

/** Where a webhook is called. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Name that the certificate must have. */
  readonly serverName: string;
  /** As messages show it. */
  readonly url: string;
}

export interface ResolveOptions {
  store: Store;
  random: () => number;
}

/** Where `config` leads now: to its URL, or to a ready endpoint of its Service. Throws an Error with the reason why not. */
export function resolveEndpoint({ store, random }: ResolveOptions, { url, service }: ClientConfig): Endpoint {
  if (url !== undefined) return ofUrl(url);
  if (!service) throw new Error('webhook configuration must have either service or URL');
  const { namespace, name, path = '', port = 443 } = service;
  const item = store.get(keyOf(services, { namespace, name }));
  if (!item) throw new Error(`service ${JSON.stringify(name)} not found`);
  const wanted = (objectOf(item) as Service).spec?.ports?.find((each) => each.port === port);
  if (!wanted) throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`);
  const ready = readyEndpoints(store, { namespace, name, portName: wanted.name ?? '' });
  const chosen = ready[Math.floor(random() * ready.length)];
  if (!chosen) throw new Error(`no endpoints available for service ${JSON.stringify(name)}`);
  const serverName = `${name}.${namespace}.svc`;
  const target = path === '' || path.startsWith('/') ? path : `/${path}`;
  return { ...chosen, path: target || '/', serverName, url: `https://${serverName}:${port}${target}` };
}

function ofUrl(text: string): Endpoint {
  const { hostname, port, pathname, search } = new URL(text);
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(port || 443), path: `${pathname}${search}`, serverName: host, url: text };
}

interface ServiceAt {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
}

function readyEndpoints(store: Store, at: ServiceAt): { host: string; port: number }[] {
  const items = store
    .list(keyPrefix(endpointSlices, at.namespace))
    .items.map((item) => objectOf(item) as EndpointSlice);
  const slices = items.filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === at.name);
  return slices.flatMap(({ endpoints, ports }) => {
    const port = ports?.find(({ name = '' }) => name === at.portName)?.port;
    const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
    return port === undefined ? [] : ready.map(({ addresses }) => ({ host: addresses[0]!, port }));
  });
}
