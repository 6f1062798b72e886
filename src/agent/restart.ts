import type { Pod } from '../api/types.ts';
import type { ContainerStatus } from './cri/types.ts';
import type { Observed } from './observe.ts';

/** What to do about one container now. */
export type Decision =
  | { readonly action: 'keep'; readonly clear: boolean }
  | { readonly action: 'wait'; readonly delayMs: number; readonly spanSeconds: number }
  | { readonly action: 'start'; readonly attempt: number };

export interface DecisionInputs {
  /** The newest container of the name, if there is one. */
  readonly status: ContainerStatus | undefined;
  readonly restartPolicy: string | undefined;
  readonly init: boolean;
  readonly now: number;
  /** The container was another sandbox's: init containers run again in the new one, whatever they did. */
  readonly moved?: boolean;
}

const FIRST_MS = 10_000;
const LONGEST_MS = 300_000;
/** A container that ran this long has earned a fresh start. */
const FORGIVEN_AFTER_MS = 600_000;

/** Pure: CrashLoopBackOff is 10 s, doubling up to 5 minutes; the first restart is at once. */
export function decide({ status, restartPolicy, init, now, moved }: DecisionInputs): Decision {
  if (!status) return { action: 'start', attempt: 0 };
  if (status.state === 'CONTAINER_RUNNING') return { action: 'keep', clear: true };
  if (status.state === 'CONTAINER_CREATED') return { action: 'start', attempt: status.metadata.attempt + 1 };
  if (moved && init) return { action: 'start', attempt: status.metadata.attempt + 1 };
  const failed = status.exit_code !== 0;
  const restarts = init
    ? failed && restartPolicy !== 'Never'
    : restartPolicy === 'Always' || (failed && restartPolicy === 'OnFailure');
  if (!restarts) return { action: 'keep', clear: true };
  const { attempt } = status.metadata;
  const finished = toMs(status.finished_at);
  // One that could not be started has no time of its start, and has not run.
  const ran = status.started_at === '0' ? 0 : finished - toMs(status.started_at);
  const spanMs = attempt === 0 || ran > FORGIVEN_AFTER_MS ? 0 : Math.min(FIRST_MS * 2 ** (attempt - 1), LONGEST_MS);
  const delayMs = finished + spanMs - now;
  return delayMs > 0
    ? { action: 'wait', delayMs, spanSeconds: spanMs / 1000 }
    : { action: 'start', attempt: attempt + 1 };
}

/** Whether a pod whose sandbox has died gets another: not when nothing in it would run again. */
export function deservesSandbox(pod: Pod, observed: Pick<Observed, 'containers'>): boolean {
  const { restartPolicy, containers } = pod.spec!;
  if (restartPolicy === 'Never') return observed.containers.length === 0;
  if (restartPolicy !== 'OnFailure') return true;
  const last = containers.map(({ name }) => observed.containers.find(({ metadata }) => metadata.name === name));
  return last.some((status) => status?.state !== 'CONTAINER_EXITED' || status.exit_code !== 0);
}

function toMs(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1_000_000n);
}
