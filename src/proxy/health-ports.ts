import { createServer, type Server } from 'node:http';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice } from '../api/types.ts';
import { type Informers, objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { type HealthCheck, healthCheckOf } from '../servicemap/health-check.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';

export interface HealthPortsOptions {
  informers: Informers;
  nodeName: string;
  /** Whether the proxy itself works. */
  proxyHealthy: () => boolean;
  /** Address to listen at; all of this node's when absent. */
  address?: string;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}

interface Open {
  readonly server: Server;
  check: HealthCheck;
}

/** Answers at the healthCheckNodePort of every Service that has one. A port that is taken is tried again with back-off. */
export function startHealthPorts(options: HealthPortsOptions): void {
  const { informers, nodeName, signal } = options;
  const open = new Map<string, Open>();
  const close = (key: string) => {
    open.get(key)?.server.close().closeAllConnections();
    open.delete(key);
  };
  const controller = startController({
    ...options,
    name: 'healthports',
    workers: 1,
    reconcile: async (key) => {
      const { name, namespace } = splitKey(key);
      const service = informers.of(services).get(name, namespace);
      const wanted = service && healthCheckOf(service, slicesOf(informers, { name, namespace }), nodeName);
      const present = open.get(key);
      if (present && present.check.port !== wanted?.port) close(key);
      else if (present && wanted) present.check = wanted;
      if (!wanted || open.has(key)) return;
      const answering: Open = { check: wanted, server: createServer((_, response) => answer()(response)) };
      const answer = () => answerer({ key, check: answering.check, healthy: options.proxyHealthy() });
      await listen(answering.server, { port: wanted.port, address: options.address });
      open.set(key, answering);
    },
  });
  informers.of(services).subscribe((change) => {
    const old = change.type === 'updated' ? change.old : change.object;
    if (change.object.spec?.healthCheckNodePort || old.spec?.healthCheckNodePort) {
      controller.enqueue(objectKey(change.object));
    }
  });
  informers.of(endpointSlices).subscribe(({ object }) => {
    const { namespace, labels } = object.metadata;
    const service = informers.of(services).get(labels?.[SERVICE_NAME] ?? '', namespace);
    if (service?.spec?.healthCheckNodePort) controller.enqueue(objectKey(service));
  });
  signal.addEventListener('abort', () => [...open.keys()].forEach(close), { once: true });
}

function slicesOf(informers: Informers, { name, namespace }: { name: string; namespace?: string }): EndpointSlice[] {
  const all = informers.of(endpointSlices).list(namespace);
  return all.filter(({ metadata }) => metadata.labels?.[SERVICE_NAME] === name);
}

function listen(server: Server, { port, address }: { port: number; address: string | undefined }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, address, () => {
      server.off('error', reject).on('error', () => {});
      resolve();
    });
  });
}

type Response = Parameters<NonNullable<Parameters<typeof createServer>[1]>>[1];

function answerer({ key, check, healthy }: { key: string; check: HealthCheck; healthy: boolean }) {
  const { code, headers, body } = healthAnswer({ key, localEndpoints: check.localEndpoints, healthy });
  return (response: Response) => void response.writeHead(code, headers).end(body);
}

/** As kube-proxy answers: load balancers read the code, and some of them the weight. Pure. */
export function healthAnswer({ key, localEndpoints, healthy }: HealthFacts) {
  const { name, namespace } = splitKey(key);
  const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy: healthy };
  return {
    code: localEndpoints > 0 && healthy ? 200 : 503,
    headers: {
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
      'x-load-balancing-endpoint-weight': String(localEndpoints),
    },
    body: JSON.stringify(body, undefined, '\t'),
  };
}

interface HealthFacts {
  readonly key: string;
  readonly localEndpoints: number;
  readonly healthy: boolean;
}
