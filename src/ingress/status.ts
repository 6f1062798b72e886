import { isConflict, isNotFound } from '../api/errors.ts';
import { ingresses } from '../api/kinds/ingress.ts';
import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import { type Informers, objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import type { Clock } from '../lib/clock.ts';
import { parseIp } from '../lib/ip.ts';
import type { Logger } from '../lib/log.ts';
import type { OwnClassOf } from './classes.ts';

/** Of several instances one speaks. */
export interface Publisher {
  /** Addresses or host names where Ingresses are reached; undefined when another instance speaks. */
  addresses(): readonly string[] | undefined;
  subscribe(listener: () => void): void;
}

/** One instance on every node: all ready nodes are addresses, and the first of them speaks. */
export function nodePublisher(informers: Informers, nodeName: string): Publisher {
  const cache = informers.of(nodes);
  return {
    addresses() {
      const ready = cache.list().filter(isReady);
      const names = ready.map((node) => node.metadata.name).sort();
      if (!cache.synced || names[0] !== nodeName) return undefined;
      return ready.flatMap(internalAddresses).sort();
    },
    subscribe: (listener) => {
      let last = '';
      cache.subscribe(() => {
        const now = cache.list().filter(isReady).map(objectKey).sort().join();
        if (now !== last) listener();
        last = now;
      });
    },
  };
}

/** A single instance with addresses that somebody chose. */
export function fixedPublisher(addresses: readonly string[]): Publisher {
  return { addresses: () => addresses, subscribe: () => {} };
}

function isReady(node: Node): boolean {
  return node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function internalAddresses(node: Node): string[] {
  const addresses = node.status?.addresses ?? [];
  return addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
}

export interface StatusOptions {
  readonly client: Client;
  readonly informers: Informers;
  readonly publisher: Publisher;
  readonly ownClassOf: OwnClassOf;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Keeps `status.loadBalancer` of the own Ingresses once they are served. */
export function startStatus(options: StatusOptions): { served(): void } {
  const { informers, publisher } = options;
  let serving = false;
  const controller = startController({
    ...options,
    name: 'ingress-status',
    reconcile: async (key) => {
      if (serving) await writeStatus(key, options);
    },
  });
  const all = () => {
    for (const ingress of informers.of(ingresses).list()) controller.enqueue(objectKey(ingress));
  };
  informers.of(ingresses).subscribe(({ type, object }) => {
    if (serving && type !== 'deleted') controller.enqueue(objectKey(object));
  });
  publisher.subscribe(all);
  return {
    served: () => {
      if (!serving) {
        serving = true;
        all();
      }
    },
  };
}

async function writeStatus(key: string, { client, informers, publisher, ownClassOf }: StatusOptions): Promise<void> {
  const { name, namespace } = splitKey(key);
  const ingress = informers.of(ingresses).get(name, namespace);
  const addresses = publisher.addresses();
  if (!ingress || !addresses || ingress.metadata.deletionTimestamp) return;
  if (!ownClassOf(ingress)) return;
  const wanted = addresses.map((address) => (parseIp(address) ? { ip: address } : { hostname: address }));
  const current = (ingress.status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname);
  if (current.join() === addresses.join()) return;
  const body = { status: { loadBalancer: { ingress: wanted } } };
  await client
    .patch(ingresses, splitKey(key), { type: 'merge', body, subresource: 'status' })
    .catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
}
