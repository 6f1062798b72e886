import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTokenFile } from './token-file.ts';

test('parseTokenFile: users, uids and groups', () => {
  const text = '# people\nabc, jane,7\n\nd-e-f,"ops, all",,"admins, dev"\nx,y,\n';
  assert.deepEqual(
    [...parseTokenFile(text)],
    [
      ['abc', { username: 'jane', uid: '7', groups: [] }],
      ['d-e-f', { username: 'ops, all', groups: ['admins', 'dev'] }],
      ['x', { username: 'y', groups: [] }],
    ],
  );
});

test('parseTokenFile: a broken line is named by its number, not shown', () => {
  assert.throws(
    () => parseTokenFile('a,b,c\nsecret,x'),
    (error: Error) => {
      assert.match(error.message, /line 2: expected token,user,uid/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
});
