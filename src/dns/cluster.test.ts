import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/kube-client.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { startTestServer } from '../testing/server.ts';
import { askUdp, queryPacket } from './dns.fixture.ts';
import { startDns } from './dns.ts';
import { formatResponse } from './zone-file.ts';

async function startCluster(t: TestContext) {
  const { transport, request } = await startTestServer({ random: () => 0 });
  const ending = new AbortController();
  t.after(() => ending.abort());
  const common = { clock: systemClock, log: silentLogger, random: () => 0, signal: ending.signal };
  const informers = createInformers({ client: createClient(transport), ...common });
  const dns = await startDns({ informers, listen: [{ address: '127.0.0.1', port: 0 }], ...common });
  const ask = async (question: string) => formatResponse(await askUdp(dns.addresses[0]!.port, queryPacket(question)));
  /** Asks until the answer is as expected: the test's own time limit ends it otherwise. */
  const until = async (question: string, expected: string) => {
    while ((await ask(question)) !== expected) await new Promise(setImmediate);
  };
  await informers.whenSynced();
  return { request, ask, until, dns };
}

const SERVICES = '/api/v1/namespaces/default/services';
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';

test('names follow Services that are written to the API server', { timeout: 10_000 }, async (t) => {
  const { request, ask, until, dns } = await startCluster(t);
  assert.equal(dns.ready, true);
  const name = 'web.default.svc.cluster.local';
  assert.match(await ask(`A ${name}`), /^NXDOMAIN aa\n/);
  const spec = { clusterIP: '10.96.0.77', ports: [{ name: 'http', port: 80 }] };
  assert.equal((await request('POST', SERVICES, { metadata: { name: 'web' }, spec })).status, 201);
  await until(`A ${name}`, `NOERROR aa\n${name}. 5 IN A 10.96.0.77`);
  assert.equal(await ask('PTR 77.0.96.10.in-addr.arpa'), `NOERROR aa\n77.0.96.10.in-addr.arpa. 5 IN PTR ${name}.`);
  assert.match(await ask(`SRV _http._tcp.${name}`), / SRV 0 100 80 web\.default/);
  assert.equal((await request('DELETE', `${SERVICES}/web`)).status, 200);
  const gone = await ask('A nobody.default.svc.cluster.local');
  while ((await ask(`A ${name}`)).split('\n')[0] !== gone.split('\n')[0]) await new Promise(setImmediate);
});

test('names of a headless Service follow its EndpointSlice', { timeout: 10_000 }, async (t) => {
  const { request, until } = await startCluster(t);
  const name = 'pets.default.svc.cluster.local';
  await request('POST', SERVICES, {
    metadata: { name: 'pets' },
    spec: { clusterIP: 'None', selector: { app: 'pets' } },
  });
  const endpoint = (address: string, hostname: string) => ({
    addresses: [address],
    hostname,
    conditions: { ready: true },
  });
  const slice = {
    metadata: { name: 'pets-1', labels: { 'kubernetes.io/service-name': 'pets' } },
    addressType: 'IPv4',
    endpoints: [endpoint('10.244.0.5', 'pets-0')],
    ports: [],
  };
  const created = await request('POST', SLICES, slice);
  assert.equal(created.status, 201, JSON.stringify(created.body));
  await until(`A ${name}`, `NOERROR aa\n${name}. 5 IN A 10.244.0.5`);
  await until(`A pets-0.${name}`, `NOERROR aa\npets-0.${name}. 5 IN A 10.244.0.5`);
  const changed = { ...created.body, endpoints: [endpoint('10.244.1.6', 'pets-0')] };
  assert.equal((await request('PUT', `${SLICES}/pets-1`, changed)).status, 200);
  await until(`A pets-0.${name}`, `NOERROR aa\npets-0.${name}. 5 IN A 10.244.1.6`);
  await until('PTR 6.1.244.10.in-addr.arpa', `NOERROR aa\n6.1.244.10.in-addr.arpa. 5 IN PTR pets-0.${name}.`);
});
