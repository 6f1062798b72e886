import type { Pod } from '../api/types.ts';
import { timestamp } from '../lib/clock.ts';
import { ephemeralOf, isSidecar } from './container-config.ts';
import type { ContainerStatus } from './cri/types.ts';
import { newest, type Observed } from './observe.ts';

export type PodStatus = NonNullable<Pod['status']>;
type ApiContainerStatus = NonNullable<PodStatus['containerStatuses']>[number];
type ApiState = NonNullable<ApiContainerStatus['state']>;
type Condition = NonNullable<PodStatus['conditions']>[number];
type Container = NonNullable<Pod['spec']>['containers'][number];

/** Why a container is not running, when the runtime knows nothing of it. */
export interface Waiting {
  reason: string;
  message?: string;
}

export interface StatusInputs {
  readonly observed: Observed;
  readonly podIp: string | undefined;
  readonly morePodIps?: readonly string[] | undefined;
  readonly nodeIp: string;
  readonly nodeIpv6?: string | undefined;
  readonly now: number;
  /** Container name → why it waits. */
  readonly waiting: ReadonlyMap<string, Waiting>;
  /** Container id → what its probes say; true where there is no probe. */
  readonly ready: (container: Container, id: string) => boolean;
  readonly started: (container: Container, id: string) => boolean;
  /** Container id → what it left in its termination message file. */
  readonly message: (id: string) => string | undefined;
  /** Why the node has ended the pod, if it has. */
  readonly failure?: Failure;
}

/** What ended a pod before its time. */
export interface Failure {
  /** `DeadlineExceeded`, `Evicted` */
  readonly reason: string;
  readonly message: string;
}

function podAddresses({ podIp, morePodIps = [] }: StatusInputs): Pick<PodStatus, 'podIP' | 'podIPs'> {
  return podIp ? { podIP: podIp, podIPs: [podIp, ...morePodIps].map((ip) => ({ ip })) } : {};
}

/** The status of a pod on this node, from what the runtime has and the probes say. Pure. */
export function podStatus(pod: Pod, inputs: StatusInputs): PodStatus {
  const spec = pod.spec!;
  const init = (spec.initContainers ?? []).map((container) => containerStatus(container, inputs, 'PodInitializing'));
  const sidecars = init.filter((_, index) => isSidecar(spec.initContainers![index]!));
  const incomplete = init.filter((status) =>
    sidecars.includes(status) ? !status.started : status.state?.terminated?.exitCode !== 0,
  );
  const begun = spec.containers.some(({ name }) => newest(inputs.observed, name));
  const initDone = incomplete.length === 0 || begun;
  const waitReason = initDone ? 'ContainerCreating' : 'PodInitializing';
  const containers = spec.containers.map((container) => containerStatus(container, inputs, waitReason));
  const ephemeral = ephemeralOf(pod).map((container) => ephemeralStatus(container, inputs));
  const phase = inputs.failure ? 'Failed' : podPhase(pod, { containers, init, initDone });
  const finished = phase === 'Succeeded' || phase === 'Failed';
  const unready = [...sidecars, ...containers].filter((status) => !status.ready).map(({ name }) => name);
  const ready = initDone && !finished && unready.length === 0;
  const old = pod.status ?? {};
  return {
    ...old,
    phase,
    hostIP: inputs.nodeIp,
    hostIPs: [inputs.nodeIp, ...(inputs.nodeIpv6 ? [inputs.nodeIpv6] : [])].map((ip) => ({ ip })),
    ...podAddresses(inputs),
    startTime: old.startTime ?? timestamp(inputs.now),
    conditions: conditions(pod, { ...inputs, incomplete: initDone ? [] : incomplete, ready, finished, unready }),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: containers,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    ...(inputs.failure ?? {}),
  };
}

/** An ephemeral container is never ready: nothing asks it. */
function ephemeralStatus(container: Container, inputs: StatusInputs): ApiContainerStatus {
  const { started: _, ...status } = containerStatus(container, inputs, 'ContainerCreating');
  return { ...status, ready: false };
}

function containerStatus(container: Container, inputs: StatusInputs, waitReason: string): ApiContainerStatus {
  const current = newest(inputs.observed, container.name);
  const previous = inputs.observed.containers.filter((status) => status.metadata.name === container.name)[1];
  const waiting = inputs.waiting.get(container.name);
  const base = {
    name: container.name,
    image: container.image!,
    imageID: current?.image_ref ?? '',
    restartCount: current?.metadata.attempt ?? 0,
  };
  if (!current) {
    return {
      ...base,
      ready: false,
      started: false,
      state: { waiting: waiting ?? { reason: waitReason } },
      lastState: {},
    };
  }
  const running = current.state === 'CONTAINER_RUNNING';
  const started = running && inputs.started(container, current.id);
  const ended = current.state === 'CONTAINER_EXITED';
  const restarting = ended && waiting;
  const last = restarting ? current : previous;
  return {
    ...base,
    containerID: `containerd://${current.id}`,
    ready: running && started && inputs.ready(container, current.id),
    started,
    state: restarting ? { waiting } : stateOf(current, inputs.message),
    lastState: last ? stateOf(last, inputs.message) : {},
  };
}

function stateOf(status: ContainerStatus, message: StatusInputs['message']): ApiState {
  if (status.state === 'CONTAINER_RUNNING') return { running: { startedAt: fromNanoseconds(status.started_at) } };
  if (status.state !== 'CONTAINER_EXITED') return { waiting: { reason: 'ContainerCreating' } };
  const text = message(status.id) || status.message || undefined;
  return {
    terminated: {
      exitCode: status.exit_code,
      reason: status.reason || (status.exit_code === 0 ? 'Completed' : 'Error'),
      ...(text ? { message: text } : {}),
      startedAt: fromNanoseconds(status.started_at),
      finishedAt: fromNanoseconds(status.finished_at),
      containerID: `containerd://${status.id}`,
    },
  };
}

function fromNanoseconds(nanoseconds: string): string {
  return timestamp(Number(BigInt(nanoseconds) / 1_000_000n));
}

interface PhaseInputs {
  readonly containers: readonly ApiContainerStatus[];
  readonly init: readonly ApiContainerStatus[];
  readonly initDone: boolean;
}

function podPhase(pod: Pod, { containers, init, initDone }: PhaseInputs): NonNullable<PodStatus['phase']> {
  const policy = pod.spec!.restartPolicy;
  const ended = containers.map((status) => status.state?.terminated);
  if (!initDone) {
    const failed = init.some(
      (status, index) =>
        !isSidecar(pod.spec!.initContainers![index]!) && (status.state?.terminated?.exitCode ?? 0) !== 0,
    );
    return failed && policy === 'Never' ? 'Failed' : 'Pending';
  }
  if (ended.every((state) => state !== undefined) && policy !== 'Always') {
    const succeeded = ended.every((state) => state!.exitCode === 0);
    if (succeeded) return 'Succeeded';
    if (policy === 'Never') return 'Failed';
  }
  const seen = containers.every((status) => status.containerID !== undefined);
  return seen || containers.some((status) => status.state?.running) ? 'Running' : 'Pending';
}

type ConditionFacts = Omit<StatusInputs, 'ready'> & {
  /** Init containers that are not done yet. */
  readonly incomplete: readonly ApiContainerStatus[];
  readonly ready: boolean;
  readonly finished: boolean;
  /** Names of containers. */
  readonly unready: readonly string[];
};

function conditions(pod: Pod, facts: ConditionFacts): Condition[] {
  const notReady = facts.finished
    ? { reason: 'PodCompleted' }
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${facts.unready.join(' ')}]` };
  const names = facts.incomplete.map(({ name }) => name).join(' ');
  const notInitialized = `containers with incomplete status: [${names}]`;
  const gates = (pod.spec?.readinessGates ?? []).every((gate) =>
    pod.status?.conditions?.some((condition) => condition.type === gate.conditionType && condition.status === 'True'),
  );
  const gate = { reason: 'ReadinessGatesNotReady', message: 'the status of pod readiness gate is not "True"' };
  const wanted: Partial<Condition>[] = [
    { type: 'PodReadyToStartContainers', status: facts.podIp ? 'True' : 'False' },
    facts.incomplete.length === 0
      ? { type: 'Initialized', status: 'True' }
      : { type: 'Initialized', status: 'False', reason: 'ContainersNotInitialized', message: notInitialized },
    facts.ready && gates
      ? { type: 'Ready', status: 'True' }
      : { type: 'Ready', status: 'False', ...(facts.ready ? gate : notReady) },
    facts.ready
      ? { type: 'ContainersReady', status: 'True' }
      : { type: 'ContainersReady', status: 'False', ...notReady },
  ];
  const old = pod.status?.conditions ?? [];
  const own = wanted.map((condition) => withTransition(condition as Condition, old, facts.now));
  return [...own, ...old.filter((condition) => !own.some((mine) => mine.type === condition.type))];
}

/** Keeps the time of the last change of `status`. */
function withTransition(condition: Condition, old: readonly Condition[], now: number): Condition {
  const before = old.find((other) => other.type === condition.type);
  const same = before?.status === condition.status;
  return {
    lastProbeTime: null as never,
    ...condition,
    lastTransitionTime: same ? before!.lastTransitionTime : timestamp(now),
  };
}
