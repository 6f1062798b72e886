import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leases } from '../api/kinds/lease.ts';
import { namespaces } from '../api/kinds/namespace.ts';
import { NODE_LEASES, reportOf } from '../api/programmed.ts';
import { createClient } from '../client/kube-client.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock } from '../testing/clock.ts';
import { startTestServer } from '../testing/server.ts';
import { createReporter } from './report.ts';

const KEY = { name: 'node-1', namespace: NODE_LEASES };

async function setup() {
  const clock = new FakeClock();
  const { transport } = await startTestServer();
  const stop = new AbortController();
  let writes = 0;
  const counted: typeof transport = (request) => {
    if (request.method === 'PATCH') writes += 1;
    return transport(request);
  };
  const client = createClient(counted);
  await client.create(namespaces, { metadata: { name: NODE_LEASES } });
  const shared = { client, clock, log: silentLogger, signal: stop.signal };
  const reporter = createReporter({ ...shared, nodeName: 'node-1' });
  const tell = (revision: number, refused?: string[]) =>
    reporter.synced!({
      full: false,
      durationMs: 1,
      triggeredMs: [],
      report: { services: String(revision), endpointSlices: '1', ...(refused ? { refused } : {}) },
    });
  const settled = async () => {
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const read = async () => reportOf(await client.get(leases, KEY));
  return { client, clock, stop, tell, settled, read, writes: () => writes };
}

describe('createReporter', () => {
  it('makes the lease where there is none, and keeps what others write in it', async () => {
    const { client, stop, tell, settled, read } = await setup();
    tell(7);
    await settled();
    assert.deepEqual(await read(), { services: '7', endpointSlices: '1' });
    await client.patch(leases, KEY, { type: 'merge', body: { spec: { leaseDurationSeconds: 40 } } });
    tell(8, ['shop/web']);
    await settled();
    assert.deepEqual(await read(), { services: '8', endpointSlices: '1', refused: ['shop/web'] });
    assert.equal((await client.get(leases, KEY)).spec?.leaseDurationSeconds, 40);
    stop.abort();
  });

  it('however much changes, few writes go out, and the last word is the newest', async () => {
    const { clock, stop, tell, settled, read, writes } = await setup();
    tell(1);
    await settled();
    for (let revision = 2; revision <= 500; revision++) {
      tell(revision);
      if (revision % 10 === 0) await settled();
    }
    const burst = writes();
    assert.ok(burst <= 11, `${burst} writes in no time`);
    for (let step = 0; step < 10; step++) {
      clock.advance(100);
      await settled();
    }
    assert.equal((await read())?.services, '500');
    assert.ok(writes() <= burst + 2, `${writes()} writes`);
    stop.abort();
  });
});
