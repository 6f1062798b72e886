import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packageClosure, parseDependencies } from './closure.ts';

const ANSWER = `web
  Depends: libc6
 |Depends: small-tool
  Depends: big-tool
  Depends: <mail-agent>
    postfix
    exim
  PreDepends: base
libc6
  Depends: gcc-base
small-tool
  Depends: libc6:any
big-tool
<mail-agent>
postfix
exim
base
  Depends: dpkg
dpkg
  Depends: tar
gcc-base
tar
`;

const closure = (exclude: string[] = []) =>
  packageClosure(parseDependencies(ANSWER), { roots: ['web'], exclude: new Set(exclude) });

test('packageClosure() follows dependencies, the first of alternatives, and providers of virtual packages', () => {
  assert.deepEqual(closure(), ['base', 'dpkg', 'gcc-base', 'libc6', 'postfix', 'small-tool', 'tar', 'web']);
});

test('packageClosure() leaves out what is excluded, and what only that needs', () => {
  assert.deepEqual(closure(['dpkg']), ['base', 'gcc-base', 'libc6', 'postfix', 'small-tool', 'web']);
  assert.deepEqual(closure(['base', 'postfix', 'small-tool']), ['gcc-base', 'libc6', 'web']);
});

test('packageClosure() takes no alternative in place of an excluded package', () => {
  assert.ok(!closure(['small-tool']).includes('big-tool'));
});

test('packageClosure() refuses a package that apt does not know', () => {
  const graph = parseDependencies(ANSWER);
  assert.throws(() => packageClosure(graph, { roots: ['webb'], exclude: new Set() }), /package webb: not known/);
});
