import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerStatus } from './cri/types.ts';
import { decide } from './restart.ts';

const NOW = Date.UTC(2026, 0, 1);
const nanoseconds = (ms: number) => `${ms}000000`;

interface Case {
  name: string;
  state?: ContainerStatus['state'];
  attempt?: number;
  exitCode?: number;
  restartPolicy?: string;
  init?: boolean;
  endedMsAgo?: number;
  ranMs?: number;
  neverStarted?: boolean;
  moved?: boolean;
  expect: object;
}

const keep = { action: 'keep', clear: true };
const cases: Case[] = [
  { name: 'a container that never was', expect: { action: 'start', attempt: 0 } },
  { name: 'one that runs', state: 'CONTAINER_RUNNING', expect: keep },
  { name: 'one that was made but not started', state: 'CONTAINER_CREATED', expect: { action: 'start', attempt: 1 } },
  { name: 'the first end', state: 'CONTAINER_EXITED', expect: { action: 'start', attempt: 1 } },
  {
    name: 'the second end',
    attempt: 1,
    state: 'CONTAINER_EXITED',
    expect: { action: 'wait', delayMs: 9000, spanSeconds: 10 },
  },
  {
    name: 'the third end',
    attempt: 2,
    state: 'CONTAINER_EXITED',
    expect: { action: 'wait', delayMs: 19_000, spanSeconds: 20 },
  },
  {
    name: 'many ends',
    attempt: 30,
    state: 'CONTAINER_EXITED',
    expect: { action: 'wait', delayMs: 299_000, spanSeconds: 300 },
  },
  {
    name: 'a wait that is over',
    attempt: 1,
    endedMsAgo: 10_000,
    state: 'CONTAINER_EXITED',
    expect: { action: 'start', attempt: 2 },
  },
  {
    name: 'an end after a long life',
    attempt: 9,
    ranMs: 600_001,
    state: 'CONTAINER_EXITED',
    expect: { action: 'start', attempt: 10 },
  },
  {
    name: 'one that could never be started',
    attempt: 3,
    neverStarted: true,
    state: 'CONTAINER_EXITED',
    expect: { action: 'wait', delayMs: 39_000, spanSeconds: 40 },
  },
  {
    name: 'an init container whose sandbox is gone',
    init: true,
    moved: true,
    state: 'CONTAINER_EXITED',
    expect: { action: 'start', attempt: 1 },
  },
  { name: 'success that need not come again', restartPolicy: 'OnFailure', state: 'CONTAINER_EXITED', expect: keep },
  {
    name: 'failure on OnFailure',
    restartPolicy: 'OnFailure',
    exitCode: 1,
    state: 'CONTAINER_EXITED',
    expect: { action: 'start', attempt: 1 },
  },
  { name: 'failure on Never', restartPolicy: 'Never', exitCode: 1, state: 'CONTAINER_EXITED', expect: keep },
  { name: 'an init container that is done', init: true, state: 'CONTAINER_EXITED', expect: keep },
  {
    name: 'an init container that failed',
    init: true,
    exitCode: 1,
    state: 'CONTAINER_EXITED',
    expect: { action: 'start', attempt: 1 },
  },
  {
    name: 'an init container that failed for good',
    init: true,
    restartPolicy: 'Never',
    exitCode: 1,
    state: 'CONTAINER_EXITED',
    expect: keep,
  },
];

describe('decide', () => {
  for (const { name, state, attempt = 0, exitCode = 0, restartPolicy = 'Always', init = false, ...rest } of cases) {
    it(name, () => {
      const { endedMsAgo = 1000, ranMs = 100, neverStarted, moved = false, expect } = rest;
      const finished = NOW - endedMsAgo;
      const status = state && {
        state,
        metadata: { name: 'main', attempt },
        exit_code: exitCode,
        started_at: neverStarted ? '0' : nanoseconds(finished - ranMs),
        finished_at: nanoseconds(finished),
      };
      const inputs = { status: status as ContainerStatus | undefined, restartPolicy, init, moved, now: NOW };
      assert.deepEqual(decide(inputs), expect);
    });
  }
});
