import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MachineFacts, problemsOfMachine } from './preflight.ts';

const good: MachineFacts = {
  root: true,
  missingPrograms: [],
  filesystems: 'nodev\ttmpfs\nnodev\toverlay\n\text4\n',
  cgroupControllers: ['cpu', 'memory', 'pids', 'io'],
  failedProbes: {},
};

test('a machine that has everything has no problems', () => {
  assert.deepEqual(problemsOfMachine(good), []);
});

test('every problem is named, with the way to change it', () => {
  const rows: [Partial<MachineFacts>, RegExp][] = [
    [{ root: false }, /^root is needed.*sudo/],
    [{ missingPrograms: ['ctr'] }, /^ctr is missing: .*apt-get install containerd$/],
    [{ missingPrograms: ['ptp'] }, /^ptp is missing: .*apt-get install containernetworking-plugins$/],
    [{ filesystems: 'nodev\ttmpfs\n' }, /overlay file system: modprobe overlay/],
    [{ cgroupControllers: ['cpu', 'pids'] }, /cgroup controller "memory"/],
    [{ failedProbes: { 'bridges (bridge)': 'Not supported' } }, /bridges.*modprobe bridge.*Not supported/],
  ];
  for (const [wrong, problem] of rows) {
    const problems = problemsOfMachine({ ...good, ...wrong });
    assert.equal(problems.length, 1, problems.join());
    assert.match(problems[0]!, problem);
  }
});

test('without root nothing else is claimed', () => {
  assert.equal(problemsOfMachine({ ...good, root: false, missingPrograms: ['ctr'] }).length, 1);
});

test('all problems are told at once', () => {
  assert.equal(problemsOfMachine({ ...good, missingPrograms: ['ctr', 'runc'], cgroupControllers: [] }).length, 5);
});
