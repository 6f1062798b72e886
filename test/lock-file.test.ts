import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Lock, missingBuilds } from '../scripts/complete-lock.ts';
import { ROOT } from './source.ts';

test('package-lock.json lists the builds for all platforms: else "node scripts/complete-lock.ts"', () => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;
  assert.deepEqual(missingBuilds(lock), {});
});

test('a lock that lacks a build is seen', () => {
  const packages = {
    'node_modules/tool': {
      dev: true,
      optionalDependencies: { 'tool-linux-x64': '1.0.0', 'tool-linux-x64-musl': '1.0.0' },
    },
    'node_modules/tool-linux-x64': { version: '1.0.0' },
  };
  assert.deepEqual(missingBuilds({ packages }), {
    'node_modules/tool-linux-x64-musl': {
      version: '1.0.0',
      cpu: ['x64'],
      dev: true,
      libc: ['musl'],
      optional: true,
      os: ['linux'],
    },
  });
});
