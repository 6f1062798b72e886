import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupLayout, controllerDirectory } from './cgroup.ts';

const V2 = '30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot';
const V1 = [
  '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
  '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:10 - cgroup cgroup rw,cpu,cpuacct',
  '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
  '40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd',
];
const UNIFIED = '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw';

test('cgroupLayout() tells the version that has the controllers, and where they are', () => {
  const rows: [string, string[], object][] = [
    [
      'version 2',
      [V2],
      { version: 2, cpu: '/sys/fs/cgroup/a/b', memory: '/sys/fs/cgroup/a/b', pids: '/sys/fs/cgroup/a/b' },
    ],
    [
      'version 1',
      V1,
      { version: 1, cpu: '/sys/fs/cgroup/cpu,cpuacct/a/b', memory: '/sys/fs/cgroup/memory/a/b', pids: undefined },
    ],
    [
      'both, controllers in version 1',
      [...V1, UNIFIED],
      { version: 1, cpu: '/sys/fs/cgroup/cpu,cpuacct/a/b', memory: '/sys/fs/cgroup/memory/a/b', pids: undefined },
    ],
    [
      'none',
      ['31 23 0:28 / / rw - ext4 /dev/sda rw'],
      { version: 2, cpu: undefined, memory: undefined, pids: undefined },
    ],
  ];
  for (const [name, lines, expected] of rows) {
    const layout = cgroupLayout(lines.join('\n'));
    const places = ['cpu', 'memory', 'pids'].map((one) => [one, controllerDirectory(layout, 'a/b', one)]);
    assert.deepEqual({ version: layout.version, ...Object.fromEntries(places) }, expected, name);
  }
});
