import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../lib/clock.ts';
import { FakeClock, turn } from '../../testing/clock.ts';
import { type LogOptions, readLog } from './logs.ts';

const FILE = [
  '2026-01-01T00:00:00.1Z stdout F one',
  '2026-01-01T00:00:01.1Z stderr F two',
  '2026-01-01T00:00:02.1Z stdout P thr',
  '2026-01-01T00:00:02.1Z stdout F ee',
  '2026-01-01T00:00:03.1Z stdout F ',
  '2026-01-01T00:00:04.1Z stdout F é',
];

describe('readLog', () => {
  let directory: string;
  let path: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sampan-logs-'));
    path = join(directory, '0.log');
    await writeFile(path, `${FILE.join('\n')}\n`);
  });

  after(() => rm(directory, { recursive: true }));

  const never = new AbortController().signal;
  const read = async (options: Partial<LogOptions>) => {
    let text = '';
    for await (const part of readLog(path, {
      timestamps: false,
      follow: false,
      clock: systemClock,
      signal: never,
      ...options,
    }))
      text += part;
    return text;
  };

  const cases: [string, Partial<LogOptions>, string][] = [
    ['everything, parts of lines joined', {}, 'one\ntwo\nthree\n\né\n'],
    ['the last lines', { tailLines: 3 }, 'three\n\né\n'],
    ['more lines than there are', { tailLines: 30 }, 'one\ntwo\nthree\n\né\n'],
    ['no lines', { tailLines: 0 }, ''],
    ['lines since a time', { sinceMs: Date.parse('2026-01-01T00:00:03Z') }, '\né\n'],
    ['the first octets', { limitBytes: 6 }, 'one\ntw'],
    ['times', { tailLines: 1, timestamps: true }, '2026-01-01T00:00:04.1Z é\n'],
  ];
  for (const [name, options, expected] of cases) {
    it(name, async () => assert.equal(await read(options), expected));
  }

  it('follows what is written until it is told to stop', async () => {
    const abort = new AbortController();
    const lines = readLog(path, {
      tailLines: 0,
      timestamps: false,
      follow: true,
      clock: systemClock,
      signal: abort.signal,
    });
    const first = lines.next();
    await appendFile(path, '2026-01-01T00:00:05Z stdout F la');
    await appendFile(path, 'ter\n2026-01-01T00:00:06Z stdout F last\n');
    assert.equal((await first).value, 'later\n');
    assert.equal((await lines.next()).value, 'last\n');
    const end = lines.next();
    abort.abort();
    assert.equal((await end).done, true);
  });

  it('follows into the next file when one is moved away', async () => {
    const abort = new AbortController();
    const lines = readLog(path, {
      tailLines: 0,
      timestamps: false,
      follow: true,
      clock: systemClock,
      signal: abort.signal,
    });
    const first = lines.next();
    await appendFile(path, '2026-01-01T00:00:07Z stdout F before\n');
    assert.equal((await first).value, 'before\n');
    const second = lines.next();
    await rename(path, `${path}.20260101-000007`);
    await writeFile(path, '2026-01-01T00:00:08Z stdout F after\n');
    assert.equal((await second).value, 'after\n');
    abort.abort();
    assert.equal((await lines.next()).done, true);
  });

  it('looks now and then where the kernel has no watch left', async () => {
    const clock = new FakeClock();
    const end = new AbortController();
    const watch = () => {
      throw Object.assign(new Error('no space left on device, watch'), { code: 'ENOSPC' });
    };
    const lines = readLog(path, { tailLines: 0, timestamps: false, follow: true, clock, watch, signal: end.signal });
    const next = lines.next();
    for (let turns = 0; clock.pending === 0 && turns < 10_000; turns++) await turn();
    await appendFile(path, '2026-01-01T00:00:09.1Z stdout F late\n');
    clock.advance(300);
    assert.equal((await next).value, 'late\n');
    end.abort();
    assert.equal((await lines.next()).done, true);
  });

  it('rejects when there is no file', async () => {
    path = join(directory, 'nosuch.log');
    await assert.rejects(read({}), { code: 'ENOENT' });
  });
});
