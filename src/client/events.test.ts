import assert from 'node:assert/strict';
import { test } from 'node:test';
import { events } from '../api/kinds/event.ts';
import type { KubeObject } from '../api/types.ts';
import { createLogger } from '../lib/log.ts';
import { FakeClock, turn } from '../testing/clock.ts';
import { startTestServer } from '../testing/server.ts';
import { createEventRecorder } from './events.ts';
import { createClient } from './kube-client.ts';
import type { Transport } from './transport.ts';

const POD: KubeObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', uid: 'u1', resourceVersion: '5' },
};

async function start(through: (transport: Transport) => Transport = (transport) => transport) {
  const clock = new FakeClock();
  const { transport } = await startTestServer({ clock });
  const client = createClient(transport);
  const lines: string[] = [];
  const log = createLogger({ write: (line) => lines.push(line), now: () => 0 });
  const recorder = createEventRecorder({
    client: createClient(through(transport)),
    clock,
    log,
    component: 'kubelet',
    host: 'node-1',
  });
  const written = async (done: (items: Awaited<ReturnType<typeof list>>) => boolean) => {
    for (let i = 0; i < 1000; i++) {
      const items = await list();
      if (done(items)) return items;
      await turn();
    }
    throw new Error(`not written: ${lines.join('; ')}`);
  };
  const list = async () => (await client.list(events, { namespace: 'default' })).items;
  return { clock, client, recorder, lines, written };
}

const PULLED = { type: 'Normal', reason: 'Pulled', message: 'got it', fieldPath: 'spec.containers{web}' } as const;

test('createEventRecorder() counts the same event, and keeps different ones apart', async () => {
  const { clock, recorder, written } = await start();
  recorder.record(POD, PULLED);
  clock.advance(5000);
  recorder.record(POD, PULLED);
  recorder.record(POD, { ...PULLED, message: 'got another' });
  recorder.record({ ...POD, metadata: { ...POD.metadata, uid: 'u2' } }, PULLED);
  const items = await written((all) => all.length === 3);
  const rows = items.map((event) => [event.involvedObject.uid, event.message, event.count]).sort();
  assert.deepEqual(rows, [
    ['u1', 'got another', 1],
    ['u1', 'got it', 2],
    ['u2', 'got it', 1],
  ]);
  const counted = items.find((event) => event.count === 2)!;
  assert.deepEqual([counted.firstTimestamp, counted.lastTimestamp], ['2026-01-01T00:00:00Z', '2026-01-01T00:00:05Z']);
  assert.deepEqual(counted.source, { component: 'kubelet', host: 'node-1' });
  assert.equal(counted.involvedObject.fieldPath, 'spec.containers{web}');
});

test('createEventRecorder() begins anew when its event has been removed', async () => {
  const { client, recorder, written } = await start();
  recorder.record(POD, PULLED);
  const [first] = await written((all) => all.length === 1);
  const { name, namespace } = first!.metadata;
  await client.delete(events, { name, namespace });
  recorder.record(POD, PULLED);
  const [second] = await written((all) => all.length === 1);
  assert.deepEqual([second!.count, second!.metadata.name === name], [1, false]);
});

test('createEventRecorder() goes on after an event that was refused', async () => {
  const { recorder, lines, written } = await start((transport) => (request) => {
    if (request.body?.includes('unwelcome')) return Promise.reject(new Error('away'));
    return transport(request);
  });
  recorder.record(POD, { ...PULLED, message: 'unwelcome' });
  recorder.record(POD, PULLED);
  const items = await written((all) => all.length === 1);
  assert.equal(items[0]!.message, 'got it');
  assert.match(lines[0]!, /event was not written/);
});
