import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterRoles } from '../api/kinds/clusterrole.ts';
import type { ClusterRole } from '../api/types.ts';
import { startTestCluster } from '../testing/cluster.ts';
import { aggregatedRules } from './clusterroleaggregation.ts';

const get = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
const list = { verbs: ['list'], apiGroups: [''], resources: ['pods'] };

function role(name: string, rules: object[], labels = {}): ClusterRole {
  return { apiVersion: 'v1', kind: 'ClusterRole', metadata: { name, labels }, rules } as ClusterRole;
}

test('aggregatedRules: by name, each once, never its own', () => {
  const labels = { to: 'all' };
  const all = { ...role('all', [], labels), aggregationRule: { clusterRoleSelectors: [{ matchLabels: labels }] } };
  const others = [role('b', [list, get], labels), role('a', [get], labels), role('c', [list])];
  assert.deepEqual(aggregatedRules(all, [all, ...others]), [get, list]);
});

test('a ClusterRole follows those that its aggregation rule selects', async () => {
  const { client, eventually, stop } = await startTestCluster();
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { 'to-monitoring': 'true' } }] };
  await client.create(clusterRoles, { metadata: { name: 'monitoring' }, aggregationRule, rules: [] });
  await client.create(clusterRoles, { metadata: { name: 'm1', labels: { 'to-monitoring': 'true' } }, rules: [get] });
  const rulesAre = (wanted: object[]) => async () => {
    const { rules } = await client.get(clusterRoles, { name: 'monitoring' });
    return JSON.stringify(rules) === JSON.stringify(wanted) ? true : undefined;
  };
  assert.ok(await eventually(rulesAre([get])));
  await client.delete(clusterRoles, { name: 'm1' });
  assert.ok(await eventually(rulesAre([])));
  stop();
});
