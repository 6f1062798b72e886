import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './source.ts';

test('what the coverage table names is there', () => {
  const text = readFileSync(join(ROOT, 'docs/coverage.md'), 'utf8');
  const named = [...text.matchAll(/`((?:examples|src|test)\/[^`]+)`/g)].map(([, path]) => path!);
  assert.ok(named.length > 50);
  assert.deepEqual(
    named.filter((path) => !existsSync(join(ROOT, path))),
    [],
  );
});
