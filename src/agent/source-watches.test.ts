import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pods } from '../api/kinds/pod.ts';
import type { Pod } from '../api/types.ts';
import { createClient } from '../client/kube-client.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { PlainInformer } from '../testing/plain-informers.ts';
import { createRandom, startTestServer } from '../testing/server.ts';
import { followSources } from './source-watches.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

function podWith(name: string, configMap: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [], volumes: [{ name: 'v', configMap: { name: configMap } }] },
  } as Pod;
}

test('a pod is looked at again when what it uses changes, and only then', async () => {
  const { request, transport } = await startTestServer();
  const mine = new PlainInformer(pods);
  const stop = new AbortController();
  const queued: string[] = [];
  let waiting: (() => void) | undefined;
  const asked: string[] = [];
  followSources(
    {
      client: createClient((exchange) => {
        asked.push(decodeURIComponent(exchange.path));
        return transport(exchange);
      }),
      clock: systemClock,
      random: createRandom(1),
      log: silentLogger,
      signal: stop.signal,
      informers: { of: () => mine as never, whenSynced: async () => {} },
      nodeName: 'node-1',
    },
    (key) => {
      queued.push(key);
      waiting?.();
    },
  );
  const next = () => new Promise<void>((resolve) => (waiting = resolve));
  mine.set(podWith('a', 'one'));
  mine.set(podWith('b', 'two'));
  const created = next();
  await request('POST', CONFIG_MAPS, { metadata: { name: 'one' } });
  await created;
  assert.deepEqual(queued.splice(0), ['default/a']);
  mine.delete(podWith('a', 'one'));
  await request('PUT', `${CONFIG_MAPS}/one`, { metadata: { name: 'one' }, data: { x: '1' } });
  const second = next();
  await request('POST', CONFIG_MAPS, { metadata: { name: 'two' } });
  await second;
  assert.deepEqual(queued, ['default/b']);
  assert.ok(asked.every((path) => path.includes('fieldSelector=metadata.name=')));
  stop.abort();
});
