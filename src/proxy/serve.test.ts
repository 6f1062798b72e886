import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { ProxyHealth } from './health.ts';
import { createProxyMetrics } from './metrics.ts';
import { serveProxy } from './serve.ts';

const LOCAL = { port: 0, address: '127.0.0.1' };
const MINUTE_MS = 60_000;
const report = { services: '7', endpointSlices: '9' };

async function setup() {
  const clock = new FakeClock();
  const informers = new PlainInformers();
  const stop = new AbortController();
  const health = new ProxyHealth({ clock, informers, nodeName: 'node-1' });
  const metrics = createProxyMetrics({ clock });
  const { servers } = serveProxy({
    health,
    metrics,
    mode: () => 'nftables',
    healthAt: LOCAL,
    metricsAt: LOCAL,
    log: silentLogger,
    signal: stop.signal,
  });
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const [healthAt, metricsAt] = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const get = async (url: string, method = 'GET') => {
    const response = await fetch(url, { method });
    return { code: response.status, text: await response.text() };
  };
  return {
    clock,
    health,
    metrics,
    stop,
    node: (object: object) => informers.of(nodes).set({ kind: 'Node', apiVersion: 'v1', ...object } as Node),
    health$: (path: string) => get(`${healthAt}${path}`),
    metrics$: (path: string, method?: string) => get(`${metricsAt}${path}`, method),
  };
}

describe('serveProxy', { timeout: 10_000 }, () => {
  it('is healthy while changes get into the kernel in time', async () => {
    const bench = await setup();
    const code = async () => (await bench.health$('/healthz')).code;
    assert.equal(await code(), 200);
    bench.clock.advance(MINUTE_MS + 1);
    assert.equal(await code(), 503, 'no rules after a minute');
    bench.health.synced();
    assert.equal(await code(), 200);
    bench.clock.advance(10 * MINUTE_MS);
    assert.equal(await code(), 200, 'nothing to do');
    bench.health.queued();
    bench.clock.advance(MINUTE_MS / 2);
    bench.health.queued();
    assert.equal(await code(), 200);
    bench.clock.advance(MINUTE_MS / 2 + 1);
    assert.equal(await code(), 503, 'the first change has waited for a minute');
    bench.stop.abort();
  });

  it('a node that goes away is alive but takes no new traffic', async () => {
    const bench = await setup();
    bench.health.synced();
    bench.node({ metadata: { name: 'node-1' }, spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler' }] } });
    const { code, text } = await bench.health$('/healthz');
    assert.equal(code, 503);
    assert.deepEqual(Object.keys(JSON.parse(text)), ['lastUpdated', 'currentTime', 'nodeEligible']);
    assert.equal(JSON.parse(text).nodeEligible, false);
    assert.equal((await bench.health$('/livez')).code, 200);
    bench.stop.abort();
  });

  it('tells its mode, and nothing at other paths or to who would change something', async () => {
    const bench = await setup();
    assert.deepEqual(await bench.metrics$('/proxyMode'), { code: 200, text: 'nftables' });
    assert.equal((await bench.metrics$('/healthz')).text, 'ok');
    assert.equal((await bench.metrics$('/configz')).code, 404);
    assert.equal((await bench.metrics$('/metrics', 'POST')).code, 405);
    bench.stop.abort();
  });

  it('metrics have the names and values that dashboards of kube-proxy look for', async () => {
    const bench = await setup();
    const { clock, metrics } = bench;
    const began = clock.now();
    metrics.queued!('service');
    metrics.queued!('endpoint');
    metrics.queued!('endpoint');
    const pending = await bench.metrics$('/metrics');
    assert.match(pending.text, /^kubeproxy_sync_proxy_rules_endpoint_changes_pending 2$/m);
    clock.advance(30);
    metrics.synced!({ full: false, durationMs: 0.3, triggeredMs: [began], report: { ...report, refused: ['a/b'] } });
    await bench.health$('/livez');
    const { text } = await bench.metrics$('/metrics');
    for (const line of [
      'kubeproxy_sync_proxy_rules_service_changes_total 1',
      'kubeproxy_sync_proxy_rules_endpoint_changes_total 2',
      'kubeproxy_sync_proxy_rules_endpoint_changes_pending 0',
      'kubeproxy_sync_proxy_rules_duration_seconds_bucket{le="0.0002"} 0',
      'kubeproxy_sync_proxy_rules_duration_seconds_bucket{le="0.0005"} 1',
      'kubeproxy_sync_partial_proxy_rules_duration_seconds_count 1',
      'kubeproxy_sync_full_proxy_rules_duration_seconds_count 0',
      'kubeproxy_network_programming_duration_seconds_bucket{le="0.025"} 0',
      'kubeproxy_network_programming_duration_seconds_bucket{le="0.05"} 1',
      'kubeproxy_sync_proxy_rules_refused_services 1',
      'kubeproxy_proxy_livez_total{code="200"} 1',
      `kubeproxy_sync_proxy_rules_last_timestamp_seconds ${clock.now() / 1000}`,
    ])
      assert.ok(text.split('\n').includes(line), line);
    bench.stop.abort();
  });
});
