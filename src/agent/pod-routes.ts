import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import { objectKey } from '../client/informer.ts';
import { type Controller, startController } from '../client/reconcile.ts';
import type { Route } from '../host/routes.ts';
import { FAKE_LABEL } from './fake/objects.ts';
import type { AgentOptions } from './options.ts';

/**
 * The routes to a node's pods, one a family: traffic between pods is never translated. None until the node has told enough,
 * nor for a node without containers.
 */
export function podRoutes(node: Node | undefined): Route[] {
  if (!node || node.metadata.labels?.[FAKE_LABEL]) return [];
  const cidrs = node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
  const hops = (node.status?.addresses ?? []).flatMap(({ type, address }) => (type === 'InternalIP' ? [address] : []));
  return cidrs.flatMap((destination) => {
    const via = hops.find((hop) => hop.includes(':') === destination.includes(':'));
    return via ? [{ destination, via }] : [];
  });
}

export interface RouteOptions
  extends Pick<AgentOptions, 'informers' | 'routes' | 'clock' | 'random' | 'log' | 'signal'> {
  /** The node that this is; none for the API server's host, which answers the pods of all nodes. */
  nodeName?: string;
}

/** Keeps this host's routes to the pods of all other nodes. */
export function followRoutes(options: RouteOptions): Controller {
  const { informers, nodeName, routes } = options;
  const cache = informers.of(nodes);
  /** Node → the routes that are set, by destination. */
  const set = new Map<string, Map<string, Route>>();
  const controller = startController({
    ...options,
    name: 'routes',
    reconcile: async (name) => {
      const wanted = name === nodeName ? [] : podRoutes(cache.get(name));
      const present = set.get(name) ?? new Map<string, Route>();
      set.set(name, present);
      for (const destination of present.keys()) {
        if (wanted.some((route) => route.destination === destination)) continue;
        await routes.delete(destination);
        present.delete(destination);
      }
      for (const route of wanted) {
        if (present.get(route.destination)?.via === route.via) continue;
        await routes.replace(route);
        present.set(route.destination, route);
      }
      if (present.size === 0) set.delete(name);
    },
  });
  cache.subscribe(({ object }) => controller.enqueue(objectKey(object)));
  return controller;
}
