import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ApiError } from '../errors.ts';
import { jsonPatch } from './json.ts';
import { mergePatch } from './merge.ts';
import { strategicMergePatch } from './strategic.ts';

test('jsonPatch applies RFC 6902 and says what does not apply', () => {
  const document = { a: { b: [1, 2] } };
  assert.deepEqual(jsonPatch(document, [{ op: 'add', path: '/a/b/-', value: 3 }]), { a: { b: [1, 2, 3] } });
  assert.deepEqual(jsonPatch(document, [{ op: 'test', path: '/a/b/0', value: 1 }]), document);
  const rows: [unknown, number][] = [
    [{ op: 'add' }, 400],
    [[{ op: 'test', path: '/a/b/0', value: 9 }], 422],
    [[{ op: 'remove', path: '/none' }], 422],
    [[{ op: 'jump', path: '/a' }], 422],
    [[{ op: 'add', path: '/__proto__/polluted', value: true }], 422],
    [[{ op: 'add', path: '/constructor/prototype/polluted', value: true }], 422],
  ];
  for (const [patch, code] of rows) {
    assert.throws(
      () => jsonPatch(document, patch),
      (error) => error instanceof ApiError && error.code === code,
      JSON.stringify(patch),
    );
  }
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('mergePatch follows the table of RFC 7386', () => {
  const rows: [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [['a', 'b'], ['c'], ['c']],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, expected] of rows) assert.deepEqual(mergePatch(target, patch), expected);
});

test('merge patches cannot reach prototypes', () => {
  const patch = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}');
  for (const result of [mergePatch({}, patch), strategicMergePatch({}, patch, 'core/v1.Pod')]) {
    assert.equal(Object.getPrototypeOf(result), Object.prototype);
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  }
});

const container = (name: string, image: string) => ({ name, image });
const podOf = (...containers: object[]) => ({ spec: { containers } });

test('strategicMergePatch merges lists by their keys and obeys directives', () => {
  const pod = podOf(container('a', '1'), container('b', '1'));
  const rows: [string, object, object, object][] = [
    ['merge by key', pod, podOf(container('b', '2')), podOf(container('a', '1'), container('b', '2'))],
    ['append', podOf(container('a', '1')), podOf(container('c', '3')), podOf(container('a', '1'), container('c', '3'))],
    ['delete an item', pod, podOf({ name: 'a', $patch: 'delete' }), podOf(container('b', '1'))],
    ['replace a list', pod, podOf({ $patch: 'replace' }, container('c', '3')), podOf(container('c', '3'))],
    [
      'order',
      pod,
      { spec: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] } },
      podOf(container('b', '1'), container('a', '1')),
    ],
    [
      'delete a field',
      { spec: { nodeName: 'n', hostname: 'h' } },
      { spec: { nodeName: null } },
      { spec: { hostname: 'h' } },
    ],
    [
      'replace a map',
      { metadata: { labels: { a: '1' } } },
      { metadata: { labels: { $patch: 'replace', b: '2' } } },
      { metadata: { labels: { b: '2' } } },
    ],
    [
      'primitive lists',
      { metadata: { finalizers: ['a', 'b'] } },
      { metadata: { finalizers: ['c'], '$deleteFromPrimitiveList/finalizers': ['a'] } },
      { metadata: { finalizers: ['b', 'c'] } },
    ],
    [
      'atomic lists are replaced',
      podOf({ name: 'a', command: ['x', 'y'] }),
      podOf({ name: 'a', command: ['z'] }),
      podOf({ name: 'a', command: ['z'] }),
    ],
    [
      'keys to retain',
      { spec: { volumes: [{ name: 'v', emptyDir: {} }] } },
      { spec: { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/x' } }] } },
      { spec: { volumes: [{ name: 'v', hostPath: { path: '/x' } }] } },
    ],
  ];
  for (const [what, target, patch, expected] of rows) {
    assert.deepEqual(strategicMergePatch(target, patch, 'core/v1.Pod'), expected, what);
  }
});

test('strategicMergePatch keeps two ports that share a number', () => {
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ];
  const patch = { spec: { '$setElementOrder/ports': [{ port: 53 }, { port: 53 }], type: 'NodePort' } };
  const result = strategicMergePatch({ spec: { ports } }, patch, 'core/v1.Service');
  assert.deepEqual(result, { spec: { ports, type: 'NodePort' } });
});

test('strategicMergePatch refuses malformed patches', () => {
  const rows: [unknown, RegExp][] = [
    [[], /must be a JSON object/],
    [{ spec: { $patch: 'jump' } }, /Unknown patch type: jump/],
    [podOf({ image: 'x' }), /does not contain declared merge key: name/],
    [{ spec: { containers: ['x'] } }, /not an object/],
  ];
  for (const [patch, message] of rows) {
    assert.throws(() => strategicMergePatch(podOf(container('a', '1')), patch, 'core/v1.Pod'), message);
  }
});

const json = fc.jsonValue({ maxDepth: 4 });
const jsonObject = fc.dictionary(fc.string(), json, { noNullPrototype: true });

test('patches change neither argument, and applying a merge patch twice is applying it once', () => {
  fc.assert(
    fc.property(jsonObject, jsonObject, (document, patch) => {
      const before = JSON.stringify([document, patch]);
      const once = mergePatch(document, patch);
      assert.deepEqual(mergePatch(once, patch), once);
      strategicMergePatch(document, patch, 'core/v1.Pod');
      assert.equal(JSON.stringify([document, patch]), before);
    }),
  );
});

test('jsonPatch: replacing the root gives the value', () => {
  fc.assert(
    fc.property(jsonObject, jsonObject, (document, value) => {
      assert.deepEqual(jsonPatch(document, [{ op: 'replace', path: '', value }]), value);
    }),
  );
});
