import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice, Service } from '../api/types.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { healthAnswer, startHealthPorts } from './health-ports.ts';

const LIMIT = { timeout: 10_000 };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function balancer(healthCheckNodePort: number): Service {
  const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort } as const;
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'shop' }, spec };
}

function slice(...nodeNames: string[]): EndpointSlice {
  const labels = { 'kubernetes.io/service-name': 'web' };
  const endpoints = nodeNames.map((nodeName, at) => ({ addresses: [`10.0.0.${at}`], nodeName }));
  const metadata = { name: 'web-1', namespace: 'shop', labels };
  return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4', endpoints };
}

/** Asks until the answer is as expected: ports open and close as the loop comes to them. */
async function untilAnswer(port: number, expected: number | 'refused'): Promise<unknown> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    const body = await response?.json();
    if ((response?.status ?? 'refused') === expected) return body;
  }
}

test('a health port follows its Service and the endpoints of this node', LIMIT, async () => {
  const informers = new PlainInformers();
  const stop = new AbortController();
  const shared = { clock: systemClock, random: () => 0, log: silentLogger, signal: stop.signal };
  const state = { healthy: true };
  const address = '127.0.0.1';
  startHealthPorts({ ...shared, informers, nodeName: 'n1', address, proxyHealthy: () => state.healthy });
  const [first, second] = [await freePort(), await freePort()];
  informers.of(services).set(balancer(first));
  assert.deepEqual(await untilAnswer(first, 503), {
    service: { namespace: 'shop', name: 'web' },
    localEndpoints: 0,
    serviceProxyHealthy: true,
  });
  informers.of(endpointSlices).set(slice('n1', 'n2'));
  await untilAnswer(first, 200);
  state.healthy = false;
  await untilAnswer(first, 503);
  state.healthy = true;
  informers.of(services).set(balancer(second));
  await untilAnswer(second, 200);
  await untilAnswer(first, 'refused');
  informers.of(services).delete(balancer(second));
  await untilAnswer(second, 'refused');
  stop.abort();
});

test('healthAnswer: the weight is the number of endpoints', () => {
  const { code, headers } = healthAnswer({ key: 'shop/web', localEndpoints: 3, healthy: true });
  assert.equal(code, 200);
  assert.equal(headers['x-load-balancing-endpoint-weight'], '3');
});
