import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import { objectKey } from '../client/informer.ts';
import { type Controller, startController } from '../client/reconcile.ts';
import type { Route } from '../host/routes.ts';
import { FAKE_LABEL } from './fake/objects.ts';
import type { AgentOptions } from './options.ts';

/**
 * The route to a node's pods: traffic between pods is never translated. Undefined until the node has told enough, and for
 * a node without containers.
 */
export function podRoute(node: Node | undefined): Route | undefined {
  if (node?.metadata.labels?.[FAKE_LABEL]) return undefined;
  const destination = node?.spec?.podCIDR;
  const via = node?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  return destination && via ? { destination, via } : undefined;
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
  const set = new Map<string, Route>();
  const controller = startController({
    ...options,
    name: 'routes',
    reconcile: async (name) => {
      const wanted = name === nodeName ? undefined : podRoute(cache.get(name));
      const present = set.get(name);
      if (present && present.destination !== wanted?.destination) {
        await routes.delete(present.destination);
        set.delete(name);
      }
      if (!wanted || set.get(name)?.via === wanted.via) return;
      await routes.replace(wanted);
      set.set(name, wanted);
    },
  });
  cache.subscribe(({ object }) => controller.enqueue(objectKey(object)));
  return controller;
}
