import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cronJobs } from '../../api/kinds/cronjob.ts';
import { events } from '../../api/kinds/event.ts';
import { jobs } from '../../api/kinds/job.ts';
import { pods } from '../../api/kinds/pod.ts';
import { parseSchedule, scheduleError } from '../../api/schedule.ts';
import type { CronJob, Job } from '../../api/types.ts';
import { FakeClock } from '../../testing/clock.ts';
import { startTestCluster } from '../../testing/cluster.ts';
import { planCronJob } from './plan.ts';
import { missedTimes } from './times.ts';

const NOW = Date.UTC(2026, 0, 1);
const KEY = { name: 'tick', namespace: 'default' };
const at = (minutes: number) => new Date(NOW + minutes * 60_000).toISOString().replace('.000Z', 'Z');
const JOB_TEMPLATE = {
  spec: { template: { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' as const } } },
};

test('parseSchedule() knows fields, names, macros, intervals and time zones', () => {
  const rows: [string, string | undefined, string | undefined][] = [
    ['*/5 * * * *', undefined, '2026-01-01T00:05:00.000Z'],
    ['0 9 * * MON-FRI', undefined, '2026-01-01T09:00:00.000Z'],
    ['0 0 * * 0', undefined, '2026-01-04T00:00:00.000Z'],
    ['0 0 * * sun', undefined, '2026-01-04T00:00:00.000Z'],
    ['0 0 13 * 5', undefined, '2026-01-02T00:00:00.000Z'],
    ['? 1 * * ?', undefined, '2026-01-01T01:00:00.000Z'],
    ['@hourly', undefined, '2026-01-01T01:00:00.000Z'],
    ['@every 1h30m', undefined, '2026-01-01T01:30:00.000Z'],
    ['0 9 * * *', 'Asia/Shanghai', '2026-01-01T01:00:00.000Z'],
    ['CRON_TZ=Europe/Berlin 0 9 * * *', undefined, '2026-01-01T08:00:00.000Z'],
    ['0 0 30 2 *', undefined, undefined],
  ];
  for (const [text, zone, expected] of rows) {
    const next = parseSchedule(text, zone).next(NOW);
    assert.equal(next === undefined ? undefined : new Date(next).toISOString(), expected, text);
  }
  for (const wrong of ['', '* * * *', '61 * * * *', '* * L * *', '@every soon', '*/0 * * * *', '* * * * * *']) {
    assert.equal(typeof scheduleError(wrong), 'string', wrong);
  }
});

test('missedTimes() finds the latest of many without looking at each', () => {
  const minutely = parseSchedule('* * * * *');
  let asked = 0;
  const counted = {
    next: (time: number) => {
      asked++;
      return minutely.next(time);
    },
  };
  const year = 365 * 24 * 60;
  assert.deepEqual(missedTimes(counted, NOW, NOW + year * 60_000 + 5), { latest: NOW + year * 60_000, count: year });
  assert.ok(asked < 20, `asked ${asked} times`);
  assert.equal(missedTimes(minutely, NOW, NOW + 59_999), undefined);
  const monthly = parseSchedule('0 0 31 * *');
  const latest = Date.UTC(2026, 7, 31);
  assert.equal(missedTimes(monthly, NOW, Date.UTC(2026, 9, 30))?.latest, latest);
});

function cron(spec: object = {}, status: object = {}): CronJob {
  const metadata = { ...KEY, uid: 'cron', creationTimestamp: at(-10) };
  return { metadata, spec: { schedule: '*/5 * * * *', jobTemplate: JOB_TEMPLATE, ...spec }, status } as CronJob;
}

function job(name: string, end?: 'Complete' | 'Failed', started = -5): Job {
  const conditions = end ? [{ type: end, status: 'True' }] : [];
  const completionTime = end === 'Complete' ? { completionTime: at(started + 1) } : {};
  return {
    metadata: { name, uid: name, namespace: 'default' },
    status: { conditions, startTime: at(started), ...completionTime },
  } as Job;
}

const running = { active: [{ name: 'a', uid: 'a' }], lastScheduleTime: at(-5) };

test('planCronJob() starts what is due, as its policy allows', () => {
  const rows: [string, object, object, Job[], number, string, string][] = [
    ['due', {}, { lastScheduleTime: at(-5) }, [], 0, 'tick-29453760', ''],
    ['not due', {}, { lastScheduleTime: at(0) }, [], 0, '', ''],
    ['suspended', { suspend: true }, {}, [], 0, '', ''],
    ['only the latest of several', {}, { lastScheduleTime: at(-60) }, [], 2, 'tick-29453760', ''],
    ['too late', { startingDeadlineSeconds: 60 }, { lastScheduleTime: at(-5) }, [], 2, '', ''],
    ['in time', { startingDeadlineSeconds: 300 }, { lastScheduleTime: at(-5) }, [], 2, 'tick-29453760', ''],
    ['beside another', { concurrencyPolicy: 'Allow' }, running, [job('a')], 0, 'tick-29453760', ''],
    ['not beside another', { concurrencyPolicy: 'Forbid' }, running, [job('a')], 0, '', 'JobAlreadyActive'],
    ['in place of another', { concurrencyPolicy: 'Replace' }, running, [job('a')], 0, 'tick-29453760 -a', ''],
    [
      'after another',
      { concurrencyPolicy: 'Forbid' },
      running,
      [job('a', 'Complete')],
      0,
      'tick-29453760',
      'SawCompletedJob',
    ],
    ['lost', {}, { ...running, lastScheduleTime: at(0) }, [], 0, '', 'MissingJob'],
    ['made already', {}, { lastScheduleTime: at(-5) }, [job('tick-29453760')], 0, '', ''],
    ['missed too often', {}, { lastScheduleTime: at(-10_000) }, [], 0, 'tick-29453760', 'TooManyMissedTimes'],
    [
      'history',
      { successfulJobsHistoryLimit: 1 },
      { lastScheduleTime: at(0) },
      [job('y', 'Complete', -3), job('x', 'Complete', -9), job('z', 'Failed')],
      0,
      '-x',
      '',
    ],
  ];
  for (const [name, spec, status, mine, minutes, expected, told] of rows) {
    const plan = planCronJob(cron(spec, status), { jobs: mine, now: NOW + minutes * 60_000 });
    const text = [plan.create?.metadata.name ?? '', ...plan.remove.map(({ metadata }) => `-${metadata.name}`)]
      .join(' ')
      .trim();
    assert.deepEqual([text, plan.events.map(({ reason }) => reason).join()], [expected, told], name);
  }
});

test('a Job carries the time it was due, in the zone of the schedule', () => {
  const plan = planCronJob(cron({ timeZone: 'Asia/Kolkata' }, { lastScheduleTime: at(-5) }), { jobs: [], now: NOW });
  const text = plan.create?.metadata.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp'];
  assert.equal(text, '2026-01-01T05:30:00+05:30');
});

test('a CronJob makes its Jobs as time goes by, and keeps the last ones', async () => {
  const clock = new FakeClock(NOW + 1000);
  const cluster = await startTestCluster({ clock });
  const { client, eventually } = cluster;
  try {
    await client.create(cronJobs, {
      metadata: KEY,
      spec: { schedule: '*/5 * * * *', jobTemplate: JOB_TEMPLATE, successfulJobsHistoryLimit: 2 },
    });
    const seen = new Set<string>();
    for (let round = 1; round <= 4; round++) {
      await eventually(() => (clock.pending > 0 ? true : undefined));
      clock.advance(300_000);
      const fresh = await eventually(async () => {
        const { items } = await client.list(jobs, { namespace: 'default' });
        return items.find(({ metadata }) => !seen.has(metadata.name));
      });
      seen.add(fresh.metadata.name);
      assert.equal(fresh.metadata.name, `tick-${NOW / 60_000 + 5 * round}`);
      const pod = await eventually(async () =>
        (await client.list(pods)).items.find(({ status }) => status?.phase !== 'Succeeded'),
      );
      await client.patch(
        pods,
        { name: pod.metadata.name, namespace: 'default' },
        { type: 'merge', body: { status: { phase: 'Succeeded' } }, subresource: 'status' },
      );
      await eventually(async () => ((await client.get(cronJobs, KEY)).status?.active ? undefined : true));
    }
    await eventually(async () => ((await client.list(jobs)).items.length === 2 ? true : undefined));
    const told = (await client.list(events)).items.filter(({ involvedObject }) => involvedObject.kind === 'CronJob');
    assert.ok(
      told.some(({ reason, message }) => reason === 'SuccessfulCreate' && /^Created job tick-\d+$/.test(message!)),
    );
  } finally {
    cluster.stop();
  }
});

test('a Job goes with its pods when its time after the end is over', async () => {
  const clock = new FakeClock();
  const cluster = await startTestCluster({ clock });
  const { client, eventually } = cluster;
  try {
    await cluster.addNode('node-1');
    const key = { name: 'once', namespace: 'default' };
    await client.create(jobs, { metadata: key, spec: { ...JOB_TEMPLATE.spec, ttlSecondsAfterFinished: 30 } });
    const pod = await eventually(async () =>
      (await client.list(pods)).items.find(({ status }) => status?.phase === 'Running'),
    );
    await client.patch(
      pods,
      { name: pod.metadata.name, namespace: 'default' },
      { type: 'merge', body: { status: { phase: 'Succeeded' } }, subresource: 'status' },
    );
    await eventually(async () => (await client.get(jobs, key)).status?.completionTime);
    clock.advance(29_000);
    assert.equal((await client.list(jobs)).items.length, 1);
    clock.advance(2000);
    await eventually(async () => ((await client.list(jobs)).items.length === 0 ? true : undefined));
    await eventually(async () => ((await client.list(pods)).items.length === 0 ? true : undefined));
  } finally {
    cluster.stop();
  }
});

test('a CronJob is refused what no clock knows', async () => {
  const cluster = await startTestCluster();
  try {
    const path = '/apis/batch/v1/namespaces/default/cronjobs';
    const answers = [{ schedule: 'often' }, { schedule: '@daily', timeZone: 'Mars/Olympus' }].map(async (spec) => {
      const { body } = await cluster.request('POST', path, {
        metadata: KEY,
        spec: { jobTemplate: JOB_TEMPLATE, ...spec },
      });
      return body.message;
    });
    const [schedule, zone] = await Promise.all(answers);
    assert.match(
      schedule,
      /^CronJob.batch "tick" is invalid: spec.schedule: Invalid value: "often": expected exactly 5 fields, found 1: \[often\]$/,
    );
    assert.match(zone, /spec.timeZone: Invalid value: "Mars\/Olympus": unknown time zone Mars\/Olympus$/);
  } finally {
    cluster.stop();
  }
});
