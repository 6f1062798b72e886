import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import { FakeClock } from '../testing/clock.ts';
import type { AgentOptions } from './options.ts';
import { PodSources } from './pod-sources.ts';

const HOUR_MS = 3_600_000;

test("a pod's token is renewed when four fifths of its life are over", async () => {
  const clock = new FakeClock();
  const asked: unknown[] = [];
  const client = {
    createSubresource: async (_resource: unknown, key: object, subresource: string, body: { spec: object }) => {
      asked.push({ ...key, subresource, ...body.spec });
      return { status: { token: `token ${asked.length}` } };
    },
  } as unknown as Client;
  const sources = new PodSources({ client, clock, nodeIp: '10.89.0.11' } as unknown as AgentOptions);
  const pod = { metadata: { name: 'p', namespace: 'default', uid: 'u' }, spec: { serviceAccountName: 'robot' } } as Pod;
  assert.equal(sources.renewalOf(pod), undefined);
  const token = () => sources.volumes(pod).token({ audience: 'vault', expirationSeconds: 3600 });
  assert.equal(await token(), 'token 1');
  assert.equal(sources.renewalOf(pod), clock.now() + 0.8 * HOUR_MS);
  clock.advance(0.8 * HOUR_MS - 1);
  assert.equal(await token(), 'token 1');
  clock.advance(1);
  assert.equal(await token(), 'token 2');
  assert.equal(sources.renewalOf(pod), clock.now() + 0.8 * HOUR_MS);
  assert.deepEqual(asked[0], {
    name: 'robot',
    namespace: 'default',
    subresource: 'token',
    audiences: ['vault'],
    expirationSeconds: 3600,
    boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' },
  });
  sources.forget('u');
  assert.equal(sources.renewalOf(pod), undefined);
});
