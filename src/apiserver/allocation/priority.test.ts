import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PriorityClass } from '../../api/types.ts';
import { createPriorityAdmission } from './priority.ts';

const context = { dryRun: false, user: { username: 'test', groups: [] } };

function admit(spec: object, classes: readonly object[] = []): unknown {
  const all = classes as PriorityClass[];
  const admission = createPriorityAdmission({
    find: (name) => all.find(({ metadata }) => metadata.name === name),
    list: () => all,
  });
  const pod = { metadata: { name: 'p' }, spec } as unknown as Pod;
  try {
    admission.create!(pod, context);
  } catch (error) {
    return (error as Error).message;
  }
  const { priority, priorityClassName, preemptionPolicy } = pod.spec!;
  return [priority, priorityClassName, preemptionPolicy];
}

test('pods get the priority of their class', () => {
  const high = { metadata: { name: 'high' }, value: 1000, preemptionPolicy: 'Never' };
  const usual = {
    metadata: { name: 'usual' },
    value: 10,
    globalDefault: true,
    preemptionPolicy: 'PreemptLowerPriority',
  };
  const other = { metadata: { name: 'other' }, value: 20, globalDefault: true };
  const lower = 'PreemptLowerPriority';
  const rows: [string, object, object[], unknown][] = [
    ['none', {}, [], [0, undefined, lower]],
    ['class', { priorityClassName: 'high' }, [high], [1000, 'high', 'Never']],
    ['own policy', { priorityClassName: 'high', preemptionPolicy: lower }, [high], [1000, 'high', lower]],
    ['default', {}, [high, other, usual], [10, 'usual', lower]],
    ['built in', { priorityClassName: 'system-node-critical' }, [], [2_000_001_000, 'system-node-critical', lower]],
    ['missing', { priorityClassName: 'x' }, [], 'pods "p" is forbidden: no PriorityClass with name x was found'],
    [
      'by number',
      { priority: 5 },
      [],
      'pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
    ],
  ];
  for (const [name, spec, classes, expected] of rows) assert.deepEqual(admit(spec, classes), expected, name);
});
