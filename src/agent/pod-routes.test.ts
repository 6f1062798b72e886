import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import type { Route } from '../host/routes.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { followRoutes } from './pod-routes.ts';

function node(name: string, podCIDR: string | undefined, address: string | undefined): Node {
  const addresses = address ? [{ type: 'InternalIP', address }] : [];
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { podCIDR }, status: { addresses } };
}

describe('followRoutes', () => {
  const setUp = () => {
    const table = new Map<string, string>();
    let failures = 0;
    const informers = new PlainInformers();
    const cache = informers.of(nodes);
    const clock = new FakeClock();
    const abort = new AbortController();
    const routes = {
      replace: async ({ destination, via }: Route) => {
        if (failures-- > 0) throw new Error('network is down');
        table.set(destination, via!);
      },
      delete: async (destination: string) => void table.delete(destination),
    };
    const common = { informers, clock, random: () => 0.5, log: silentLogger, signal: abort.signal };
    const controller = followRoutes({ ...common, nodeName: 'node-1', routes });
    const settled = async () => {
      await controller.idle();
      return Object.fromEntries(table);
    };
    return { cache, clock, abort, settled, failNext: (times: number) => (failures = times) };
  };

  it('follows the other nodes, and forgets them', async () => {
    const { cache, abort, settled } = setUp();
    cache.set(node('node-1', '10.244.0.0/24', '10.89.0.11'));
    cache.set(node('node-2', '10.244.1.0/24', '10.89.0.12'));
    cache.set(node('node-3', undefined, '10.89.0.13'));
    assert.deepEqual(await settled(), { '10.244.1.0/24': '10.89.0.12' });
    cache.set(node('node-3', '10.244.2.0/24', '10.89.0.13'));
    cache.set(node('node-2', '10.244.1.0/24', '10.89.0.22'));
    assert.deepEqual(await settled(), { '10.244.1.0/24': '10.89.0.22', '10.244.2.0/24': '10.89.0.13' });
    cache.set(node('node-3', '10.244.9.0/24', '10.89.0.13'));
    cache.delete(node('node-2', '10.244.1.0/24', '10.89.0.22'));
    assert.deepEqual(await settled(), { '10.244.9.0/24': '10.89.0.13' });
    abort.abort();
  });

  it('has a route for each family that a node has a way to', async () => {
    const { cache, abort, settled } = setUp();
    const dual = node('node-2', '10.244.1.0/24', '10.89.0.12');
    dual.spec!.podCIDRs = ['10.244.1.0/24', 'fd00:10:244:1::/64'];
    cache.set(structuredClone(dual));
    assert.deepEqual(await settled(), { '10.244.1.0/24': '10.89.0.12' });
    dual.status!.addresses!.push({ type: 'InternalIP', address: 'fd00:10:89::12' });
    cache.set(structuredClone(dual));
    assert.deepEqual(await settled(), { '10.244.1.0/24': '10.89.0.12', 'fd00:10:244:1::/64': 'fd00:10:89::12' });
    cache.delete(dual);
    assert.deepEqual(await settled(), {});
    abort.abort();
  });

  it('tries again what failed', async () => {
    const { cache, clock, abort, settled, failNext } = setUp();
    failNext(1);
    cache.set(node('node-2', '10.244.1.0/24', '10.89.0.12'));
    assert.deepEqual(await settled(), {});
    clock.advance(1000);
    assert.deepEqual(await settled(), { '10.244.1.0/24': '10.89.0.12' });
    abort.abort();
  });
});
