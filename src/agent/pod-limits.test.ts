import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Pod } from '../api/types.ts';
import { checkLimits } from './pod-limits.ts';

const NOW = Date.UTC(2026, 0, 1, 0, 1);
const pod = (spec: object) =>
  ({ metadata: { uid: 'u' }, spec, status: { startTime: '2026-01-01T00:00:00Z' } }) as unknown as Pod;

test('checkLimits() ends pods that may not go on', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'limits-'));
  try {
    const directory = join(stateDir, 'pods/u/volumes/cache/deep');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'file'), Buffer.alloc(3 * 2 ** 20, 1));
    const sysctls = (name: string) => ({ securityContext: { sysctls: [{ name, value: '1' }] } });
    const cache = (emptyDir: object) => ({ volumes: [{ name: 'cache', emptyDir }] });
    const deadline = 'Pod was active on the node longer than the specified deadline';
    const rows: [string, object, object][] = [
      ['nothing', {}, { againMs: undefined }],
      ['time left', { activeDeadlineSeconds: 90 }, { againMs: 30_000 }],
      ['time over', { activeDeadlineSeconds: 60 }, { failure: { reason: 'DeadlineExceeded', message: deadline } }],
      ['safe sysctl', sysctls('net.ipv4.tcp_syncookies'), { againMs: undefined }],
      [
        'other sysctl',
        sysctls('kernel.msgmax'),
        { failure: { reason: 'SysctlForbidden', message: 'forbidden sysctl: "kernel.msgmax" not allowlisted' } },
      ],
      [
        "the node's network",
        { hostNetwork: true, ...sysctls('net.ipv4.tcp_syncookies') },
        {
          failure: {
            reason: 'SysctlForbidden',
            message: 'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowlisted',
          },
        },
      ],
      ['room', cache({ sizeLimit: '4Mi' }), { againMs: 10_000 }],
      [
        'no room',
        cache({ sizeLimit: '2Mi' }),
        { failure: { reason: 'Evicted', message: 'Usage of EmptyDir volume "cache" exceeds the limit "2Mi". ' } },
      ],
      ['memory has its own limit', cache({ medium: 'Memory', sizeLimit: '2Mi' }), { againMs: undefined }],
    ];
    for (const [name, spec, expected] of rows) {
      assert.deepEqual(await checkLimits(pod(spec), { now: NOW, stateDir }), expected, name);
    }
  } finally {
    await rm(stateDir, { recursive: true });
  }
});
