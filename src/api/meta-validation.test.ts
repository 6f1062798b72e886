import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateObjectMeta, validateObjectMetaUpdate } from './meta-validation.ts';
import type { NameRule } from './names.ts';
import type { KubeObject, ObjectMeta } from './types.ts';

const check = (meta: Partial<ObjectMeta>, nameRule: NameRule = 'dns1123-subdomain') =>
  validateObjectMeta({ namespace: 'default', name: 'ok', ...meta }, { namespaced: true, nameRule }).map(
    ({ field, message }) => `${field}: ${message}`,
  );

test('validateObjectMeta accepts what Kubernetes accepts', () => {
  const rows: Partial<ObjectMeta>[] = [
    { name: 'a.b-c.d' },
    { name: 'x'.repeat(253) },
    { generateName: 'web-', name: 'web-abcde' },
    { labels: { 'example.com/a_B.c': 'A_b.C', plain: '' } },
    { annotations: { 'example.com/Any': 'text\nof any kind' } },
    { finalizers: ['example.com/x', 'foregroundDeletion'] },
  ];
  for (const meta of rows) assert.deepEqual(check(meta), [], JSON.stringify(meta).slice(0, 80));
});

test('validateObjectMeta refuses in the words of Kubernetes', () => {
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u', controller: true };
  const rows: [Partial<ObjectMeta>, RegExp, NameRule?][] = [
    [{ name: '' }, /^metadata\.name: Required value: name or generateName is required$/],
    [{ name: 'Web' }, /^metadata\.name: Invalid value: "Web": a lowercase RFC 1123 subdomain must consist of/],
    [{ name: 'x'.repeat(254) }, /must be no more than 253 characters$/],
    [{ name: 'a.b' }, /a lowercase RFC 1123 label must consist of/, 'dns1123-label'],
    [{ name: '1a' }, /a DNS-1035 label must consist of/, 'dns1035-label'],
    [{ name: 'a/b' }, /may not contain '\/'$/, 'path-segment'],
    [{ name: '..' }, /may not be '\.\.'$/, 'path-segment'],
    [{ namespace: '' }, /^metadata\.namespace: Required value$/],
    [{ labels: { 'a b': 'x' } }, /^metadata\.labels: Invalid value: "a b": name part must consist of/],
    [{ labels: { a: '-' } }, /^metadata\.labels: Invalid value: "-": a valid label must be an empty string or/],
    [{ labels: { a: 'x'.repeat(64) } }, /must be no more than 63 characters$/],
    [{ labels: { '/a': 'x' } }, /prefix part must be non-empty$/],
    [
      { annotations: { a: 'x'.repeat(256 * 1024) } },
      /^metadata\.annotations: Too long: may not be more than 262144 bytes$/,
    ],
    [{ finalizers: ['mine'] }, /name is neither a standard finalizer name nor is it fully qualified$/],
    [
      { ownerReferences: [{ ...owner, uid: '' }] },
      /^metadata\.ownerReferences\[0\]\.uid: Invalid value: "": uid must not be empty$/,
    ],
    [{ ownerReferences: [owner, { ...owner, name: 'q' }] }, /Only one reference can have Controller set to true/],
  ];
  for (const [meta, message, rule] of rows) {
    const errors = check(meta, rule);
    assert.equal(errors.length, 1, errors.join('\n'));
    assert.match(errors[0]!, message);
  }
});

test('validateObjectMetaUpdate keeps identity, and finalizers of the dying', () => {
  const at = (metadata: Partial<ObjectMeta>): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a', uid: '1', ...metadata },
  });
  const rows: [KubeObject, KubeObject, string[]][] = [
    [at({ labels: { a: '1' } }), at({}), []],
    [at({ uid: '2' }), at({}), ['metadata.uid']],
    [at({ finalizers: ['x/y'] }), at({}), []],
    [at({ finalizers: ['x/y'] }), at({ deletionTimestamp: '2026-01-01T00:00:00Z' }), ['metadata.finalizers']],
  ];
  for (const [updated, old, fields] of rows) {
    assert.deepEqual(
      validateObjectMetaUpdate(updated, old).map((error) => error.field),
      fields,
    );
  }
});
