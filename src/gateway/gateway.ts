import { createSocket } from 'node:dgram';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { ingresses } from '../api/kinds/ingress.ts';
import { nodes } from '../api/kinds/node.ts';
import { services } from '../api/kinds/service.ts';
import type { Service } from '../api/types.ts';
import { type Informers, objectKey, splitKey } from '../client/informer.ts';
import { type Controller, startController } from '../client/reconcile.ts';
import type { NetnsSockets } from '../host/netns-sockets.ts';
import type { Routes } from '../host/routes.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { type AddressPlan, type Frontend, frontendsOf, ingressFrontends } from './frontends.ts';
import { answerQuery } from './names.ts';

export interface GatewayOptions {
  informers: Informers;
  plan: AddressPlan;
  /** Where the machine's own sockets are made. */
  sockets: NetnsSockets;
  /** Of this process's namespace: cluster IPs are reached by way of a node. */
  routes: Routes;
  serviceCidr: string;
  /** Where names of Services are answered: UDP port 53 of this loopback address. */
  nameServer: string;
  domain: string;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}

const DNS_PORT = 53;
/** Listening sockets at most; Services beyond are told of in the log. */
const LISTENERS = 2000;
const CONNECTIONS_PER_LISTENER = 1000;

/**
 * Makes Services answer on the machine that the cluster runs on, without an address or a route of the cluster there: for
 * every cluster, node, load balancer and Ingress address a loopback address listens, and what connects is passed on.
 */
export function startGateway(options: GatewayOptions): Controller {
  const { informers, signal } = options;
  const gateway = new Gateway(options);
  const controller = startController({
    ...options,
    name: 'gateway',
    reconcile: async (key) => (key === NODES ? gateway.followNodes() : gateway.sync(key)),
  });
  informers.of(services).subscribe(({ object }) => controller.enqueue(objectKey(object)));
  informers.of(ingresses).subscribe(() => controller.enqueue(INGRESSES));
  informers.of(nodes).subscribe((change) => {
    controller.enqueue(NODES);
    if (change.type === 'updated' && sameAddresses(change.old, change.object)) return;
    for (const service of informers.of(services).list()) controller.enqueue(objectKey(service));
  });
  signal.addEventListener('abort', () => gateway.close(), { once: true });
  gateway.answerNames();
  return controller;
}

/** No keys of Services: those have a slash. */
const NODES = 'nodes';
const INGRESSES = 'ingresses';

type NodeObject = ReturnType<typeof readyNodes>[number];

function sameAddresses(a: NodeObject, b: NodeObject): boolean {
  return JSON.stringify(a.status?.addresses) === JSON.stringify(b.status?.addresses);
}

function readyNodes(informers: Informers) {
  return informers
    .of(nodes)
    .list()
    .filter(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'));
}

class Gateway {
  readonly #options: GatewayOptions;
  /** Service → `address:port` → listener. */
  readonly #listeners = new Map<string, Map<string, Server>>();
  #count = 0;
  #via: string | undefined;
  #closeNames = () => {};

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  /** Opens what a Service's frontends need and closes what they no longer do. */
  async sync(key: string): Promise<void> {
    const { informers, plan } = this.#options;
    await Promise.all([informers.of(services).whenSynced(), informers.of(nodes).whenSynced()]);
    const wanted = key === INGRESSES ? ingressFrontends(informers.of(ingresses).list(), plan) : this.#ofService(key);
    const open = this.#listeners.get(key) ?? new Map<string, Server>();
    this.#listeners.set(key, open);
    const names = new Set(wanted.map(nameOf));
    for (const [at, server] of open) if (!names.has(at)) this.#shut(open, at, server);
    for (const frontend of wanted) if (!open.has(nameOf(frontend))) this.#open(open, frontend);
    if (open.size === 0) this.#listeners.delete(key);
  }

  #ofService(key: string): Frontend[] {
    const { informers, plan } = this.#options;
    const { name, namespace } = splitKey(key);
    const service = informers.of(services).get(name, namespace);
    return service ? frontendsOf(service, informers.of(nodes).list(), plan) : [];
  }

  #open(open: Map<string, Server>, frontend: Frontend): void {
    const { sockets, log } = this.#options;
    if (this.#count === LISTENERS) return log.warn('gateway: too many listeners', { service: frontend.service });
    try {
      const fd = sockets.listen(frontend);
      const server = createServer((client) => this.#pass(client, frontend)).listen({ fd });
      server.maxConnections = CONNECTIONS_PER_LISTENER;
      server.on('error', (error) => log.warn('gateway', { at: nameOf(frontend), error: error.message }));
      open.set(nameOf(frontend), server);
      this.#count++;
    } catch (error) {
      log.warn('gateway: no listener', { at: nameOf(frontend), error: (error as Error).message });
    }
  }

  #pass(client: Socket, { target }: Frontend): void {
    const upstream = dial({ host: target.address, port: target.port });
    // Either side's end or error ends the other: there is nobody else to tell.
    pipeline(client, upstream, () => {});
    pipeline(upstream, client, () => {});
  }

  #shut(open: Map<string, Server>, at: string, server: Server): void {
    server.close();
    open.delete(at);
    this.#count--;
  }

  /** Cluster IPs are translated by any node's rules; the way leads over the first that is ready. */
  async followNodes(): Promise<void> {
    const { informers, routes, serviceCidr } = this.#options;
    const first = readyNodes(informers)[0]?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
    if (!first || first === this.#via) return;
    await routes.replace({ destination: serviceCidr, via: first });
    this.#via = first;
  }

  answerNames(): void {
    const { informers, sockets, nameServer: address, domain, plan, log } = this.#options;
    const find = (name: string, namespace: string): Service | undefined => informers.of(services).get(name, namespace);
    try {
      const socket = createSocket('udp4');
      socket.on('error', (error) => log.warn('gateway names', { error: error.message }));
      socket.on('message', (message, from) => {
        const answer = answerQuery(message, { domain, plan, find });
        if (answer) socket.send(answer, from.port, from.address);
      });
      socket.bind({ fd: sockets.bind({ address, port: DNS_PORT }) });
      this.#closeNames = () => socket.close();
    } catch (error) {
      log.warn('gateway: names are not answered', { address, error: (error as Error).message });
    }
  }

  close(): void {
    for (const open of this.#listeners.values()) for (const [at, server] of open) this.#shut(open, at, server);
    this.#closeNames();
  }
}

function nameOf({ address, port }: Frontend): string {
  return `${address}:${port}`;
}
