import { isDeepStrictEqual } from 'node:util';
import { isConflict, isNotFound } from '../api/errors.ts';
import { services } from '../api/kinds/service.ts';
import type { Service } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import { type Informers, objectKey, splitKey } from '../client/informer.ts';
import { type Controller, startController } from '../client/reconcile.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { type Assignment, addressesIn, assign, HOSTNAME_ANNOTATION, isOurs } from './assign.ts';
import type { Pool } from './pool.ts';

export interface LoadBalancerOptions {
  client: Client;
  informers: Informers;
  recorder: EventRecorder;
  pool: Pool;
  /** @default LOAD_BALANCER_CLASS */
  loadBalancerClass?: string;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}

/** Gives every Service of type LoadBalancer its addresses (`status.loadBalancer`), and takes them back. */
export function startLoadBalancer(options: LoadBalancerOptions): Controller {
  const { informers } = options;
  const allocator = new Allocator(options, (key) => controller.enqueue(key));
  const controller: Controller = startController({
    ...options,
    name: 'loadbalancer',
    // One at a time: two Services must not be given one address.
    workers: 1,
    reconcile: (key) => allocator.reconcile(key),
  });
  informers.of(services).subscribe(({ object }) => controller.enqueue(objectKey(object)));
  return controller;
}

type Ingress = NonNullable<NonNullable<NonNullable<Service['status']>['loadBalancer']>['ingress']>;

class Allocator {
  readonly #options: LoadBalancerOptions;
  /** Service key → addresses that this process gave or found: ahead of the cache. */
  readonly #held = new Map<string, readonly string[]>();
  /** Keys of Services that got no address. */
  readonly #refused = new Set<string>();
  readonly #enqueue: (key: string) => void;
  #started = false;

  constructor(options: LoadBalancerOptions, enqueue: (key: string) => void) {
    this.#options = options;
    this.#enqueue = enqueue;
  }

  async reconcile(key: string): Promise<void> {
    const { informers } = this.#options;
    const cache = informers.of(services);
    await cache.whenSynced();
    if (!this.#started) this.#adopt(cache.list());
    const { name, namespace } = splitKey(key);
    const service = cache.get(name, namespace);
    if (!service || service.metadata.deletionTimestamp || !this.#isOurs(service)) return this.#release(key, service);
    const assignment = assign(service, this.#options.pool, (ip) => this.#holders(ip, key));
    if ('refused' in assignment) return this.#refuse(key, service, assignment.refused);
    this.#held.set(key, assignment.ips);
    await this.#write(service, ingressOf(service, assignment));
  }

  #isOurs(service: Service): boolean {
    return isOurs(service, this.#options.loadBalancerClass);
  }

  /** Addresses that were given before this process began stay where they are. */
  #adopt(all: readonly Service[]): void {
    this.#started = true;
    for (const service of all) if (this.#isOurs(service)) this.#held.set(objectKey(service), addressesIn(service));
  }

  #holders(ip: string, besides: string): Service[] {
    const cache = this.#options.informers.of(services);
    const keys = [...this.#held]
      .filter(([key, ips]) => key !== besides && ips.includes(ip))
      .map(([key]) => splitKey(key));
    return keys.flatMap(({ name, namespace }) => cache.get(name, namespace) ?? []);
  }

  /** The API server itself clears the status of a Service that is of another type now. */
  #release(key: string, service: Service | undefined): void {
    if (!this.#held.delete(key)) return;
    this.#retryRefused();
    this.#options.log.info('load balancer addresses were freed', { service: key, type: service?.spec?.type });
  }

  /** Whoever found no address looks again when one is freed. */
  #retryRefused(): void {
    for (const key of this.#refused) this.#enqueue(key);
    this.#refused.clear();
  }

  async #refuse(key: string, service: Service, why: string): Promise<void> {
    this.#held.delete(key);
    this.#refused.add(key);
    const message = `Error syncing load balancer: failed to ensure load balancer: ${why}`;
    this.#options.recorder.record(service, { type: 'Warning', reason: 'SyncLoadBalancerFailed', message });
    if (addressesIn(service).length > 0) await this.#write(service, []);
  }

  async #write(service: Service, ingress: Ingress): Promise<void> {
    if (isDeepStrictEqual(service.status?.loadBalancer?.ingress ?? [], ingress)) return;
    const { name, namespace } = service.metadata;
    const body = { status: { loadBalancer: { ingress } } };
    try {
      await this.#options.client.patch(services, { name, namespace }, { type: 'merge', body, subresource: 'status' });
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return;
      throw error;
    }
    if (ingress.length === 0) return;
    const message = `Ensured load balancer: ${ingress.map(({ ip, hostname }) => ip ?? hostname).join(', ')}`;
    this.#options.recorder.record(service, { type: 'Normal', reason: 'EnsuredLoadBalancer', message });
  }
}

function ingressOf(service: Service, assignment: Exclude<Assignment, { refused: string }>): Ingress {
  const hostname = service.metadata.annotations?.[HOSTNAME_ANNOTATION];
  return assignment.ips.map((ip) => ({ ip, ipMode: 'VIP', ...(hostname ? { hostname } : {}) }));
}
