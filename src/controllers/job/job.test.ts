import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jobs } from '../../api/kinds/job.ts';
import { pods } from '../../api/kinds/pod.ts';
import type { Job, Pod } from '../../api/types.ts';
import { startTestCluster, type TestCluster } from '../../testing/cluster.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';
import { planJob } from './plan.ts';
import { INDEX, TRACKING } from './pod.ts';

const NOW = Date.UTC(2026, 0, 1);
const KEY = { name: 'pi', namespace: 'default' };
const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString();

function job(spec: object = {}, status: object = { startTime: at(-100) }): Job {
  const template = { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' } };
  return {
    metadata: { ...KEY, uid: 'job' },
    spec: { completions: 1, parallelism: 1, backoffLimit: 6, template, ...spec },
    status,
  } as Job;
}

interface PodFacts {
  phase?: string;
  index?: number;
  ended?: number;
  exitCode?: number;
  ending?: boolean;
  held?: boolean;
  failures?: number;
}

let made = 0;

function pod({ phase = 'Running', index, ended, exitCode, ending, held = true, failures }: PodFacts = {}): Pod {
  const uid = `pod-${++made}`;
  const terminated = { exitCode: exitCode ?? (phase === 'Failed' ? 1 : 0), finishedAt: at(ended ?? -50) };
  const annotations = {
    ...(index === undefined ? {} : { [INDEX]: String(index) }),
    ...(failures === undefined ? {} : { 'batch.kubernetes.io/job-index-failure-count': String(failures) }),
  };
  return {
    metadata: {
      name: uid,
      namespace: 'default',
      uid,
      annotations,
      ...(held ? { finalizers: [TRACKING] } : {}),
      ...(ending ? { deletionTimestamp: at(0) } : {}),
    },
    status: {
      phase,
      containerStatuses: [{ name: 'c', restartCount: 0, state: phase === 'Running' ? {} : { terminated } }],
    },
  } as unknown as Pod;
}

const failed = (facts: PodFacts = {}) => pod({ phase: 'Failed', ...facts });
const succeeded = (facts: PodFacts = {}) => pod({ phase: 'Succeeded', ...facts });
const types = (status: Job['status']) =>
  (status?.conditions ?? []).filter((c) => c.status === 'True').map((c) => `${c.type}:${c.reason}`);

test('planJob() makes as many pods as may run at once and are still needed', () => {
  const rows: [string, object, Pod[], number, number][] = [
    ['one', {}, [], 1, 0],
    ['in parallel', { completions: 5, parallelism: 3 }, [], 3, 0],
    ['not more than are needed', { completions: 2, parallelism: 3 }, [], 2, 0],
    ['the rest', { completions: 5, parallelism: 3 }, [succeeded(), pod()], 2, 0],
    ['none when parallelism is none', { parallelism: 0 }, [], 0, 0],
    ['fewer in parallel', { completions: 5, parallelism: 1 }, [pod(), pod(), pod()], 0, 2],
    ['a work queue', { completions: undefined, parallelism: 2 }, [], 2, 0],
    ['a work queue that is emptied', { completions: undefined, parallelism: 2 }, [succeeded(), pod()], 0, 0],
    ['a failure long ago', {}, [failed({ ended: -60 })], 1, 0],
    ['a failure just now', {}, [failed({ ended: -3 })], 0, 0],
    ['a deleted pod is replaced', {}, [pod({ ending: true })], 0, 0],
    ['suspended', { suspend: true }, [pod()], 0, 1],
    ['after the end of the one before', { podReplacementPolicy: 'Failed' }, [pod({ ending: true })], 0, 0],
  ];
  for (const [name, spec, mine, create, remove] of rows) {
    const plan = planJob(job(spec), { pods: mine, now: NOW });
    assert.deepEqual([plan.create.length, plan.remove.length], [create, remove], name);
  }
});

test('the wait after failures doubles, and ends at ten minutes', () => {
  const waits = [1, 2, 3, 10].map((count) => {
    const mine = Array.from({ length: count }, () => failed({ ended: 0 }));
    return planJob(job({ backoffLimit: 20 }), { pods: mine, now: NOW }).again;
  });
  assert.deepEqual(waits, [10_000, 20_000, 40_000, 600_000]);
});

test('planJob() ends a Job for what it promises, first the decision, then the end', () => {
  const rule = { action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } };
  const ignore = { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] };
  const rows: [string, object, Pod[], string[]][] = [
    ['enough', {}, [succeeded()], ['SuccessCriteriaMet:CompletionsReached']],
    ['too many failures', { backoffLimit: 1 }, [failed(), failed()], ['FailureTarget:BackoffLimitExceeded']],
    ['none allowed', { backoffLimit: 0 }, [failed()], ['FailureTarget:BackoffLimitExceeded']],
    ['not yet', { backoffLimit: 1 }, [failed()], []],
    ['too long', { activeDeadlineSeconds: 60 }, [pod()], ['FailureTarget:DeadlineExceeded']],
    [
      'a fatal exit',
      { podFailurePolicy: { rules: [rule] } },
      [failed({ exitCode: 42 })],
      ['FailureTarget:PodFailurePolicy'],
    ],
    ['another exit', { podFailurePolicy: { rules: [rule] } }, [failed({ exitCode: 1 })], []],
    ['what is ignored', { backoffLimit: 0, podFailurePolicy: { rules: [ignore] } }, [disrupted()], []],
    [
      'all indexes',
      { completionMode: 'Indexed', completions: 2 },
      [succeeded({ index: 0 }), succeeded({ index: 1 })],
      ['SuccessCriteriaMet:CompletionsReached', 'Complete:CompletionsReached'],
    ],
    [
      'one index twice',
      { completionMode: 'Indexed', completions: 2 },
      [succeeded({ index: 0 }), succeeded({ index: 0 })],
      [],
    ],
    [
      'the leader',
      { completionMode: 'Indexed', completions: 3, successPolicy: { rules: [{ succeededIndexes: '0' }] } },
      [succeeded({ index: 0 })],
      ['SuccessCriteriaMet:SuccessPolicy', 'Complete:SuccessPolicy'],
    ],
    [
      'failed indexes',
      { completionMode: 'Indexed', completions: 2, backoffLimit: undefined, backoffLimitPerIndex: 0 },
      [failed({ index: 0 }), succeeded({ index: 1 })],
      ['FailureTarget:FailedIndexes'],
    ],
  ];
  for (const [name, spec, mine, expected] of rows) {
    assert.deepEqual(types(planJob(job(spec), { pods: mine, now: NOW }).status), expected, name);
  }
  const { message } = planJob(job({ podFailurePolicy: { rules: [rule] } }), {
    pods: [failed({ exitCode: 42 })],
    now: NOW,
  }).status.conditions![0]!;
  assert.match(
    message!,
    /^Container c for pod default\/pod-\d+ failed with exit code 42 matching FailJob rule at index 0$/,
  );
});

function disrupted(): Pod {
  const one = failed();
  return { ...one, status: { ...one.status!, conditions: [{ type: 'DisruptionTarget', status: 'True' }] } };
}

test('indexes are given out from the lowest, once each', () => {
  const spec = { completionMode: 'Indexed', completions: 5, parallelism: 3 };
  const indexes = (mine: Pod[], status: object = {}) =>
    planJob(job(spec, { startTime: at(-100), ...status }), { pods: mine, now: NOW }).create.map(({ index }) => index);
  assert.deepEqual(indexes([]), [0, 1, 2]);
  assert.deepEqual(indexes([pod({ index: 1 })]), [0, 2]);
  assert.deepEqual(indexes([], { completedIndexes: '0,2-3' }), [1, 4]);
});

test('completion indexes are written in runs', () => {
  assert.equal(formatIndexes([5, 0, 2, 3, 4, 7, 8]), '0,2-5,7,8');
  assert.deepEqual([...parseIndexes('0,2-4')], [0, 2, 3, 4]);
  assert.deepEqual([...parseIndexes(undefined)], []);
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(200)), (list) => {
      assert.deepEqual(
        [...parseIndexes(formatIndexes(list))],
        list.toSorted((a, b) => a - b),
      );
    }),
  );
});

/** Carries out plans on a world of its own, stopping anywhere between the steps. */
test('a pod counts once, wherever its counting is interrupted', () => {
  const moves = fc.array(
    fc.record({ which: fc.nat(6), what: fc.constantFrom('succeed', 'fail', 'vanish', 'delete'), steps: fc.nat(3) }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(moves, (script) => {
      let state = job({ completions: 1000, parallelism: 3, backoffLimit: 1000 });
      let world: Pod[] = [];
      const ends = { succeeded: 0, failed: 0 };
      const run = (steps: number) => {
        const plan = planJob(state, { pods: world, now: NOW + 1e9 });
        if (steps >= 1) state = { ...state, status: plan.status };
        if (steps >= 2) {
          const gone = new Set(plan.release);
          world = world.flatMap((one) => {
            if (!gone.has(one)) return [one];
            if (one.metadata.deletionTimestamp) return [];
            return [{ ...one, metadata: { ...one.metadata, finalizers: [] } }];
          });
        }
        if (steps >= 3) world.push(...plan.create.map(() => pod()));
        assert.ok(world.filter(({ status }) => status?.phase === 'Running').length <= 3, 'more than may run at once');
      };
      for (const { which, what, steps } of script) {
        run(steps);
        const one = world[which];
        if (!one) continue;
        const running = one.status!.phase === 'Running' && !one.metadata.deletionTimestamp;
        if (what === 'vanish') {
          // Only what nothing holds can vanish.
          if (!one.metadata.finalizers?.length) world = world.filter((other) => other !== one);
        } else if (running) {
          ends[what === 'succeed' ? 'succeeded' : 'failed']++;
          const phase = what === 'succeed' ? 'Succeeded' : what === 'fail' ? 'Failed' : 'Running';
          const metadata = what === 'delete' ? { ...one.metadata, deletionTimestamp: at(0) } : one.metadata;
          world = world.map((other) =>
            other === one ? ({ ...one, metadata, status: { ...one.status, phase } } as Pod) : other,
          );
        }
      }
      for (let settle = 0; settle < 4; settle++) run(2);
      assert.deepEqual({ succeeded: state.status?.succeeded ?? 0, failed: state.status?.failed ?? 0 }, ends);
    }),
  );
});

function pi(spec: object = {}) {
  return {
    metadata: KEY,
    spec: { template: { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' as const } }, ...spec },
  };
}

async function withCluster(run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster();
  try {
    await cluster.addNode('node-1');
    await run(cluster);
  } finally {
    cluster.stop();
  }
}

/** Ends `count` running pods. */
async function end({ client, eventually }: TestCluster, count: number, phase: 'Succeeded' | 'Failed'): Promise<void> {
  const running = await eventually(async () => {
    const { items } = await client.list(pods, { namespace: 'default' });
    const found = items.filter(({ status, metadata }) => status?.phase === 'Running' && !metadata.deletionTimestamp);
    return found.length >= count ? found : undefined;
  });
  for (const { metadata } of running.slice(0, count)) {
    const key = { name: metadata.name, namespace: 'default' };
    await client.patch(pods, key, { type: 'merge', body: { status: { phase } }, subresource: 'status' });
  }
}

function when({ client, eventually }: TestCluster, look: (job: Job) => boolean): Promise<Job> {
  return eventually(async () => {
    const found = await client.get(jobs, KEY);
    return look(found) ? found : undefined;
  });
}

test('a Job completes, and lets its pods go', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    const created = await client.create(jobs, pi({ completions: 3, parallelism: 2 }));
    assert.deepEqual(created.spec?.selector, {
      matchLabels: { 'batch.kubernetes.io/controller-uid': created.metadata.uid },
    });
    assert.equal(created.spec?.template.metadata?.labels?.['job-name'], 'pi');
    await end(cluster, 2, 'Succeeded');
    await when(cluster, ({ status }) => status?.succeeded === 2);
    await end(cluster, 1, 'Succeeded');
    const done = await when(cluster, ({ status }) => status?.completionTime !== undefined);
    assert.deepEqual(types(done.status), ['SuccessCriteriaMet:CompletionsReached', 'Complete:CompletionsReached']);
    assert.deepEqual(
      [done.status?.succeeded, done.status?.active, done.status?.uncountedTerminatedPods],
      [3, undefined, {}],
    );
    const { items } = await client.list(pods, { namespace: 'default' });
    assert.deepEqual(
      items.map(({ metadata }) => metadata.finalizers),
      [undefined, undefined, undefined],
    );
  }));

test('a Job that fails once too often ends its other pods', () =>
  withCluster(async (cluster) => {
    await cluster.client.create(jobs, pi({ completions: 3, parallelism: 3, backoffLimit: 0 }));
    await cluster.eventually(async () => ((await cluster.client.list(pods)).items.length === 3 ? true : undefined));
    await end(cluster, 1, 'Failed');
    const done = await when(cluster, ({ status }) => types(status).some((text) => text.startsWith('Failed:')));
    assert.deepEqual(types(done.status), ['FailureTarget:BackoffLimitExceeded', 'Failed:BackoffLimitExceeded']);
    assert.equal(done.status?.failed, 1);
    const { items } = await cluster.client.list(pods, { namespace: 'default' });
    assert.deepEqual(
      items.map(({ status }) => status?.phase),
      ['Failed'],
    );
  }));

test('suspending ends pods without counting them, resuming begins anew', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    const patch = (spec: object) => client.patch(jobs, KEY, { type: 'merge', body: { spec } });
    await client.create(jobs, pi());
    await when(cluster, ({ status }) => status?.ready === 1);
    await patch({ suspend: true });
    const paused = await when(
      cluster,
      ({ status }) => types(status).includes('Suspended:JobSuspended') && !status?.active,
    );
    assert.equal(paused.status?.startTime, undefined);
    await cluster.eventually(async () => ((await client.list(pods)).items.length === 0 ? true : undefined));
    await patch({ suspend: false });
    await end(cluster, 1, 'Succeeded');
    const done = await when(cluster, ({ status }) => status?.completionTime !== undefined);
    assert.equal(done.status?.failed, undefined);
  }));

test('a Job that is deleted takes its pods with it, held or not', () =>
  withCluster(async (cluster) => {
    for (const propagationPolicy of ['Background', 'Foreground'] as const) {
      await cluster.client.create(jobs, pi({ parallelism: 2, completions: 2 }));
      await when(cluster, ({ status }) => status?.ready === 2);
      await cluster.client.delete(jobs, KEY, { propagationPolicy });
      await cluster.eventually(async () => ((await cluster.client.list(pods)).items.length === 0 ? true : undefined));
      await cluster.eventually(async () => ((await cluster.client.list(jobs)).items.length === 0 ? true : undefined));
    }
  }));

test('a Job is refused what can not end', () =>
  withCluster(async ({ request }) => {
    const path = '/apis/batch/v1/namespaces/default/jobs';
    const always = { ...pi(), spec: { template: { spec: { containers: [{ name: 'c', image: 'i' }] } } } };
    const answer = await request('POST', path, always);
    assert.equal(answer.status, 422);
    assert.equal(
      answer.body.message,
      'Job.batch "pi" is invalid: spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    );
    await request('POST', path, pi());
    const patch = { spec: { completions: 7 } };
    const changed = await request('PATCH', `${path}/pi`, patch, { 'content-type': 'application/merge-patch+json' });
    assert.match(changed.body.message, /spec.completions: Invalid value: 7: field is immutable/);
  }));
