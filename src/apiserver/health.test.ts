import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHealth } from './health.ts';
import type { ApiRequest } from './request.ts';

const state = { etcd: true };
const health = createHealth([
  { name: 'ping', healthy: () => true },
  { name: 'etcd', healthy: () => state.etcd },
  { name: 'poststarthook/rbac/bootstrap-roles', healthy: () => true },
  { name: 'shutdown', only: ['readyz'], healthy: () => true },
]);

async function get(url: string) {
  const [path = '', query] = url.split('?');
  const response = await health({ method: 'GET', path, query: new URLSearchParams(query) } as ApiRequest);
  return [response?.status, response?.body];
}

test('health: ok, each check in verbose, single ones by their name', async () => {
  assert.deepEqual(await get('/healthz'), [200, 'ok']);
  assert.deepEqual(await get('/livez?verbose'), [
    200,
    '[+]ping ok\n[+]etcd ok\n[+]poststarthook/rbac/bootstrap-roles ok\nlivez check passed\n',
  ]);
  assert.match(String((await get('/readyz?verbose'))[1]), /\[\+\]shutdown ok\nreadyz check passed\n$/);
  assert.deepEqual(await get('/livez/poststarthook/rbac/bootstrap-roles'), [200, 'ok']);
  await assert.rejects(get('/livez/shutdown'), { code: 404 });
  assert.deepEqual(await get('/version'), [undefined, undefined]);
});

test('health: what fails is named, its reason is not; it can be excluded', async (t) => {
  state.etcd = false;
  t.after(() => {
    state.etcd = true;
  });
  assert.deepEqual(await get('/livez'), [
    500,
    '[+]ping ok\n[-]etcd failed: reason withheld\n[+]poststarthook/rbac/bootstrap-roles ok\nlivez check failed\n',
  ]);
  assert.deepEqual(await get('/livez/etcd'), [500, 'internal server error: etcd is not healthy\n']);
  assert.deepEqual(await get('/livez?exclude=etcd'), [200, 'ok']);
  assert.match(String((await get('/livez?exclude=x&verbose'))[1]), /no matches for "x"/);
});
