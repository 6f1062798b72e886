import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod } from '../api/types.ts';
import type { ObservedContainer } from './observe.ts';
import { podStatus, type StatusInputs } from './status.ts';

const NOW = Date.UTC(2026, 0, 1);
const LATER = '2026-01-01T00:00:00Z';
const BEFORE = '2025-12-31T23:00:00Z';
const nanoseconds = (ms: number) => `${ms}000000`;

function pod(spec: object = {}, status: object = {}): Pod {
  const containers = [{ name: 'main', image: 'app:1' }];
  const metadata = { name: 'p', namespace: 'default', uid: 'u' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { restartPolicy: 'Always', containers, ...spec },
    status,
  } as Pod;
}

function container(name: string, state: object & { attempt?: number }): ObservedContainer {
  const { attempt = 0, ...rest } = state;
  return {
    id: `${name}-${attempt}`,
    metadata: { name, attempt },
    image: { image: 'registry/app:1' },
    image_ref: 'sha256:1',
    exit_code: 0,
    reason: '',
    message: '',
    sandboxId: 's',
    started_at: nanoseconds(NOW - 2000),
    finished_at: '0',
    ...rest,
  } as ObservedContainer;
}

const running = { state: 'CONTAINER_RUNNING' };
const exited = (code: number, reason = code === 0 ? 'Completed' : 'Error') => ({
  state: 'CONTAINER_EXITED',
  exit_code: code,
  reason,
  finished_at: nanoseconds(NOW - 1000),
});

function status(of: Pod, containers: ObservedContainer[], more: Partial<StatusInputs> = {}) {
  return podStatus(of, {
    observed: { sandboxes: [], containers },
    podIp: '10.244.0.5',
    nodeIp: '10.89.0.11',
    now: NOW,
    waiting: new Map(),
    ready: () => true,
    started: () => true,
    message: () => undefined,
    ...more,
  });
}

type Conditions = { type: string; status: string; reason?: string; message?: string }[];
const condition = (of: { conditions?: unknown }, type: string) =>
  (of.conditions as Conditions).find((candidate) => candidate.type === type)!;

describe('podStatus', () => {
  const one = { initContainers: [{ name: 'init', image: 'app:1' }] };
  const cases: [string, Pod, ObservedContainer[], string][] = [
    ['nothing yet', pod(), [], 'Pending'],
    ['a container that runs', pod(), [container('main', running)], 'Running'],
    ['a container between restarts', pod(), [container('main', exited(1))], 'Running'],
    ['success, never again', pod({ restartPolicy: 'Never' }), [container('main', exited(0))], 'Succeeded'],
    ['failure, never again', pod({ restartPolicy: 'Never' }), [container('main', exited(1))], 'Failed'],
    ['failure that is tried again', pod({ restartPolicy: 'OnFailure' }), [container('main', exited(1))], 'Running'],
    ['success of OnFailure', pod({ restartPolicy: 'OnFailure' }), [container('main', exited(0))], 'Succeeded'],
    ['an init container that runs', pod(one), [container('init', running)], 'Pending'],
    [
      'an init container that failed for good',
      pod({ ...one, restartPolicy: 'Never' }),
      [container('init', exited(1))],
      'Failed',
    ],
    ['an init container that is done', pod(one), [container('init', exited(0)), container('main', running)], 'Running'],
  ];
  for (const [name, of, containers, phase] of cases) {
    it(`is ${phase} with ${name}`, () => assert.equal(status(of, containers).phase, phase));
  }

  it('shows a running container as kubectl users know it', () => {
    assert.deepEqual(status(pod(), [container('main', running)]).containerStatuses, [
      {
        name: 'main',
        image: 'app:1',
        imageID: 'sha256:1',
        restartCount: 0,
        containerID: 'containerd://main-0',
        ready: true,
        started: true,
        state: { running: { startedAt: '2025-12-31T23:59:58Z' } },
        lastState: {},
      },
    ]);
  });

  it('shows why a container waits, and how it ended last', () => {
    const waiting = new Map([['main', { reason: 'CrashLoopBackOff', message: 'back-off' }]]);
    const message = (id: string) => (id === 'main-1' ? 'bye' : undefined);
    const { containerStatuses } = status(pod(), [container('main', { ...exited(3), attempt: 1 })], {
      waiting,
      message,
    });
    const shown = containerStatuses![0]!;
    assert.deepEqual(shown.state, { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } });
    const { exitCode, reason, message: last, containerID } = shown.lastState!.terminated!;
    assert.deepEqual([exitCode, reason, last, containerID], [3, 'Error', 'bye', 'containerd://main-1']);
    assert.deepEqual([shown.restartCount, shown.ready, shown.started], [1, false, false]);
  });

  it('keeps the end of the one before as the last state', () => {
    const containers = [container('main', { ...running, attempt: 1 }), container('main', exited(137, 'OOMKilled'))];
    const shown = status(pod(), containers).containerStatuses![0]!;
    assert.equal(shown.lastState!.terminated!.reason, 'OOMKilled');
    assert.ok(shown.state!.running);
  });

  it('waits for a container that nobody made yet', () => {
    const shown = status(pod(one), []).containerStatuses![0]!;
    assert.deepEqual(
      [shown.state, shown.image, shown.imageID],
      [{ waiting: { reason: 'PodInitializing' } }, 'app:1', ''],
    );
    assert.deepEqual(status(pod(), []).containerStatuses![0]!.state, { waiting: { reason: 'ContainerCreating' } });
  });

  it('names the containers that are not ready', () => {
    const containers = [container('main', running)];
    const unready = status(pod(), containers, { ready: () => false });
    const { status: state, reason, message } = condition(unready, 'Ready');
    assert.deepEqual(
      [state, reason, message],
      ['False', 'ContainersNotReady', 'containers with unready status: [main]'],
    );
    const incomplete = condition(status(pod(one), []), 'Initialized');
    assert.equal(incomplete.message, 'containers with incomplete status: [init]');
  });

  it('says so when the pod is done', () => {
    const done = status(pod({ restartPolicy: 'Never' }), [container('main', exited(0))]);
    assert.deepEqual([condition(done, 'Ready').status, condition(done, 'Ready').reason], ['False', 'PodCompleted']);
  });

  it('honours readiness gates', () => {
    const gated = { readinessGates: [{ conditionType: 'lb' }] };
    const closed = status(pod(gated), [container('main', running)]);
    assert.deepEqual(
      [condition(closed, 'Ready').reason, condition(closed, 'ContainersReady').status],
      ['ReadinessGatesNotReady', 'True'],
    );
    const open = pod(gated, { conditions: [{ type: 'lb', status: 'True' }] });
    assert.equal(condition(status(open, [container('main', running)]), 'Ready').status, 'True');
  });

  it('keeps what others wrote, and the time of what did not change', () => {
    const conditions = [
      { type: 'PodScheduled', status: 'True', lastTransitionTime: BEFORE },
      { type: 'Initialized', status: 'True', lastTransitionTime: BEFORE },
      { type: 'Ready', status: 'False', lastTransitionTime: BEFORE },
    ];
    const old = { conditions, qosClass: 'Burstable', startTime: BEFORE };
    const shown = status(pod({}, old), [container('main', running)]);
    assert.deepEqual([shown.qosClass, shown.startTime], ['Burstable', BEFORE]);
    const times = Object.fromEntries(
      shown.conditions!.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    );
    assert.deepEqual(times, {
      PodScheduled: BEFORE,
      Initialized: BEFORE,
      Ready: LATER,
      ContainersReady: LATER,
      PodReadyToStartContainers: LATER,
    });
  });
});
