import { age } from '../duration.ts';
import type { Pod } from '../types.ts';

type PodStatus = NonNullable<Pod['status']>;
type ContainerStatus = NonNullable<PodStatus['containerStatuses']>[number];

/** The Ready, Status and Restarts cells of a pod. */
export interface PodSummary {
  readonly ready: string;
  readonly status: string;
  readonly restarts: string;
}

interface Walk {
  text: string;
  ready: number;
  restarts: number;
  lastRestart: string;
  initializing: boolean;
}

export function summarizePod(pod: Pod, now: number): PodSummary {
  const status = pod.status ?? {};
  const walk: Walk = {
    text: status.reason || (status.phase ?? ''),
    ready: 0,
    restarts: 0,
    lastRestart: '',
    initializing: false,
  };
  if (conditionOf(status, 'PodScheduled')?.reason === 'SchedulingGated') walk.text = 'SchedulingGated';
  walkInit(pod, walk);
  if (!walk.initializing || conditionOf(status, 'Initialized')?.status === 'True') walkContainers(pod, walk);
  if (pod.metadata.deletionTimestamp) walk.text = terminatingText(pod, walk.text);
  const total = (pod.spec?.containers.length ?? 0) + sidecars(pod).size;
  const when = walk.restarts > 0 && walk.lastRestart ? ` (${age(walk.lastRestart, now)} ago)` : '';
  return { ready: `${walk.ready}/${total}`, status: walk.text, restarts: `${walk.restarts}${when}` };
}

function sidecars(pod: Pod): Set<string> {
  const restartable = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  return new Set(restartable.map((container) => container.name));
}

function walkInit(pod: Pod, walk: Walk): void {
  const total = pod.spec?.initContainers?.length ?? 0;
  const restartable = sidecars(pod);
  for (const [index, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    count(container, walk);
    if (container.state?.terminated?.exitCode === 0) continue;
    if (restartable.has(container.name) && container.started) {
      if (container.ready) walk.ready++;
      continue;
    }
    walk.text = initText(container, `${index}/${total}`);
    walk.initializing = true;
    return;
  }
}

function initText(container: ContainerStatus, place: string): string {
  const { terminated, waiting } = container.state ?? {};
  if (terminated) return `Init:${terminatedText(terminated)}`;
  if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`;
  return `Init:${place}`;
}

function walkContainers(pod: Pod, walk: Walk): void {
  let running = false;
  for (const container of (pod.status?.containerStatuses ?? []).toReversed()) {
    count(container, walk);
    const { waiting, terminated } = container.state ?? {};
    if (waiting?.reason) walk.text = waiting.reason;
    else if (terminated) walk.text = terminatedText(terminated);
    else if (container.ready && container.state?.running) {
      running = true;
      walk.ready++;
    }
  }
  if (walk.text !== 'Completed' || !running) return;
  walk.text = conditionOf(pod.status ?? {}, 'Ready')?.status === 'True' ? 'Running' : 'NotReady';
}

function terminatedText(state: { reason?: string; signal?: number; exitCode: number }): string {
  if (state.reason) return state.reason;
  return state.signal ? `Signal:${state.signal}` : `ExitCode:${state.exitCode}`;
}

function count(container: ContainerStatus, walk: Walk): void {
  walk.restarts += container.restartCount;
  const finished = container.lastState?.terminated?.finishedAt;
  if (finished && finished > walk.lastRestart) walk.lastRestart = finished;
}

function terminatingText(pod: Pod, text: string): string {
  if (pod.status?.reason === 'NodeLost') return 'Unknown';
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed' ? text : 'Terminating';
}

function conditionOf(status: PodStatus, type: string) {
  return status.conditions?.find((condition) => condition.type === type);
}
