import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps } from '../api/kinds/configmap.ts';
import type { ConfigMap } from '../api/types.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { followConfiguration } from './configuration.ts';
import { dnsRegistry } from './exporter.ts';
import { hostAnswer, parseHosts } from './hosts.ts';
import { createDnsMetrics } from './metrics.ts';
import { nameKey } from './name.ts';
import { type DnsSettings, NO_SETTINGS, parseSettings } from './settings.ts';
import { Upstreams } from './upstreams.ts';

const key = (name: string) => nameKey(name)!;

test('settings are read as kube-dns has them', () => {
  const settings = parseSettings({
    upstreamNameservers: '["192.0.2.1", "192.0.2.2:5300"]',
    stubDomains: '{"Corp.example": ["[fd00::1]:53"]}',
    hosts: '192.0.2.9 db db.corp.example # the old one\n\n# nothing\nfd00::9 db\n',
    log: 'true',
  });
  assert.deepEqual(settings.upstreams, ['192.0.2.1', '192.0.2.2:5300']);
  assert.deepEqual([...settings.stubDomains], [[key('corp.example'), ['[fd00::1]:53']]]);
  assert.deepEqual(settings.hosts.get(key('db')), { A: ['192.0.2.9'], AAAA: ['fd00::9'] });
  assert.equal(settings.log, true);
  assert.deepEqual(parseSettings({}), NO_SETTINGS);
});

test('settings that are wrong name the key and the rule', () => {
  const rows: [data: Record<string, string>, message: RegExp][] = [
    [{ upstreams: '[]' }, /^upstreams: expected one of upstreamNameservers/],
    [{ upstreamNameservers: '192.0.2.1' }, /^upstreamNameservers: expected JSON/],
    [{ upstreamNameservers: '{}' }, /^upstreamNameservers: expected a JSON list of at most 3 servers/],
    [{ upstreamNameservers: '["a.example"]' }, /Cannot use upstream "a.example"/],
    [{ stubDomains: '[]' }, /^stubDomains: expected a JSON object/],
    [{ stubDomains: '{"a..b": ["192.0.2.1"]}' }, /^stubDomains: "a..b" is no domain name/],
    [{ hosts: '192.0.2.1' }, /^hosts: line 1: expected an address and its names/],
    [{ hosts: '\nlocalhost 127.0.0.1' }, /^hosts: line 2/],
  ];
  for (const [data, message] of rows)
    assert.throws(
      () => parseSettings(data),
      (error: Error) => message.test(error.message),
    );
});

test('a name of the hosts has its addresses, and no data of other types', () => {
  const hosts = parseHosts('192.0.2.9 db\nfd00::9 db\n192.0.2.10 db');
  const count = (type: number) => hostAnswer(hosts, { name: key('db'), type }, 5)?.ends.length;
  assert.deepEqual([count(1), count(28), count(255), count(16)], [2, 1, 3, 0]);
  assert.equal(hostAnswer(hosts, { name: key('other'), type: 1 }, 5), undefined);
});

test('the longest stub domain of a name decides who is asked', () => {
  const signal = new AbortController().signal;
  const common = {
    clock: new FakeClock(),
    metrics: createDnsMetrics(),
    random: () => 0,
    timeoutMs: 1,
    pendingMax: 1,
    signal,
  };
  const upstreams = new Upstreams(common);
  assert.equal(upstreams.forwarderFor(key('www.example.com')), undefined);
  upstreams.configure(parseSettings({ stubDomains: '{"example": ["192.0.2.1"], "corp.example": ["192.0.2.2"]}' }));
  const [corp, example] = [key('a.corp.example'), key('a.example')].map((name) => upstreams.forwarderFor(name));
  assert.ok(corp && example && corp !== example);
  assert.equal(upstreams.forwarderFor(key('corp.example')), corp);
  assert.equal(upstreams.forwarderFor(key('www.example.com')), undefined);
  upstreams.configure(parseSettings({ upstreamNameservers: '["192.0.2.3"]' }));
  assert.ok(upstreams.forwarderFor(key('www.example.com')));
});

test('the ConfigMap is followed; a wrong one changes nothing, a deleted one brings back what was before', () => {
  const informers = new PlainInformers();
  const seen: DnsSettings[] = [];
  const fallback = { ...NO_SETTINGS, upstreams: ['192.0.2.53'] };
  followConfiguration({ informers, fallback, log: silentLogger, configure: (settings) => void seen.push(settings) });
  const map = (data: Record<string, string>, name = 'kube-dns') =>
    ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'kube-system' }, data }) as ConfigMap;
  informers.of(configMaps).set(map({ log: 'true' }));
  informers.of(configMaps).set(map({ nonsense: 'true' }));
  informers.of(configMaps).set(map({ log: 'true' }, 'another'));
  informers.of(configMaps).delete(map({}));
  assert.deepEqual(
    seen.map(({ log }) => log),
    [false, true, false],
  );
  assert.deepEqual(seen.at(-1), fallback);
});

test('counters are exported under the names of CoreDNS', async () => {
  const metrics = createDnsMetrics();
  metrics.queries.udp = 3;
  metrics.responses[0] = 2;
  metrics.responses[3] = 1;
  metrics.cacheHits = 4;
  const text = await dnsRegistry(metrics).metrics();
  for (const line of [
    'coredns_dns_requests_total{proto="udp"} 3',
    'coredns_dns_responses_total{rcode="NOERROR"} 2',
    'coredns_dns_responses_total{rcode="NXDOMAIN"} 1',
    'coredns_cache_hits_total 4',
  ]) {
    assert.ok(text.includes(`${line}\n`), line);
  }
});
