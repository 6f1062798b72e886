import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogger } from '../../lib/log.ts';
import { openLineFile } from './file.ts';

test('lines are appended in order, to a file for its owner alone', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-audit-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'audit.log');
  const logged: string[] = [];
  const log = createLogger({ write: (line) => logged.push(line), now: () => 0 });
  for (const lines of [['a', 'b'], ['c']]) {
    const file = openLineFile(path, log);
    for (const line of lines) file.write(line);
    await file.close();
  }
  assert.equal(readFileSync(path, 'utf8'), 'a\nb\nc\n');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const lost = openLineFile(path, log);
  for (let count = 0; count < 40; count++) lost.write('x'.repeat(1 << 20));
  await lost.close();
  assert.match(logged.join('\n'), /audit log is behind: events are lost/);
  assert.ok(statSync(path).size < 20 << 20);
});
