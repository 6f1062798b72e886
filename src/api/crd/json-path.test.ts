import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions } from './definition.ts';
import { compileJsonPath, fieldKeys } from './json-path.ts';

const value = {
  spec: {
    replicas: 3,
    'odd.name': 'x',
    list: [
      { n: 'a', v: 1 },
      { n: 'b', v: 2 },
    ],
  },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Synced', status: 'False' },
    ],
  },
};

const rows: [string, unknown[]][] = [
  ['.spec.replicas', [3]],
  ['{.spec.replicas}', [3]],
  ['.spec.missing.more', []],
  [String.raw`.spec.odd\.name`, ['x']],
  [".spec['odd.name']", ['x']],
  ['.spec.list[0].n', ['a']],
  ['.spec.list[-1].n', ['b']],
  ['.spec.list[*].v', [1, 2]],
  ['.status.conditions[?(@.type=="Ready")].status', ['True']],
  [`.status.conditions[?(@.type == 'Synced')].status`, ['False']],
  ['.spec.list[?(@.v>1)].n', ['b']],
];

for (const [path, expected] of rows) {
  test(path, () => assert.deepEqual(compileJsonPath(path)!(value), expected));
}

test('what is no path is told', () => {
  for (const text of ['spec', '.spec[', '.spec[?(x)]', '..a']) assert.equal(compileJsonPath(text), undefined, text);
  assert.deepEqual(fieldKeys('.spec.replicas'), ['spec', 'replicas']);
  assert.equal(fieldKeys('.spec.list[0]'), undefined);
});

test('versions have an order', () => {
  const sorted = ['v1alpha1', 'foo1', 'v1', 'v10', 'v2beta1', 'v1beta2', 'v2', 'v1beta10'].sort(compareVersions);
  assert.deepEqual(sorted, ['v10', 'v2', 'v1', 'v2beta1', 'v1beta10', 'v1beta2', 'v1alpha1', 'foo1']);
});
