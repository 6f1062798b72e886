import type { Pod } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { type Container, ephemeralOf, isSidecar, sidecarsOf } from './container-config.ts';
import type { Runtime } from './cri/runtime.ts';
import { runHook } from './hooks.ts';
import { newest, type Observed } from './observe.ts';

export interface TerminateOptions {
  runtime: Runtime;
  clock: Clock;
  log: Logger;
  /** Resolves when containers may be told to end; preStop hooks do not wait for it. */
  unrouted?: Promise<void>;
  record: (container: Container, event: { type: 'Normal' | 'Warning'; reason: string; message: string }) => void;
}

/**
 * Ends a pod's running containers, all at once: preStop, TERM, and KILL when the grace period is over. Sidecars
 * follow when the others have ended, the last one first, with what is left of the time.
 */
export async function terminateContainers(pod: Pod, observed: Observed, options: TerminateOptions): Promise<void> {
  const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? pod.spec!.terminationGracePeriodSeconds ?? 30;
  const endMs = options.clock.now() + graceSeconds * 1000;
  const end = async (container: Container) => {
    const status = newest(observed, container.name);
    if (status?.state !== 'CONTAINER_RUNNING') return;
    options.record(container, { type: 'Normal', reason: 'Killing', message: `Stopping container ${container.name}` });
    const left = Math.max(0, Math.ceil((endMs - options.clock.now()) / 1000));
    await endContainer({ pod, container, id: status.id, graceSeconds: left }, options);
  };
  const sidecars = sidecarsOf(pod);
  const others = (pod.spec!.initContainers ?? []).filter((container) => !isSidecar(container));
  await Promise.all([...others, ...pod.spec!.containers, ...ephemeralOf(pod)].map(end));
  for (const container of sidecars.toReversed()) await end(container);
}

export interface Ending {
  readonly pod: Pod;
  readonly container: Container;
  readonly id: string;
  readonly graceSeconds: number;
}

/** Runs a container's preStop hook, then ends it with what is left of its grace period. */
export async function endContainer(ending: Ending, options: TerminateOptions): Promise<void> {
  const startMs = options.clock.now();
  await Promise.all([runPreStop(ending, options), options.unrouted]);
  const leftSeconds = Math.max(0, ending.graceSeconds - Math.floor((options.clock.now() - startMs) / 1000));
  // As the kubelet does: even a hook that took all of the time leaves two seconds to end in.
  const least = ending.graceSeconds > 0 ? MIN_GRACE_SECONDS : 0;
  await options.runtime.stopContainer(ending.id, Math.max(leftSeconds, Math.min(least, ending.graceSeconds)));
}

const MIN_GRACE_SECONDS = 2;

async function runPreStop({ pod, container, id, graceSeconds }: Ending, options: TerminateOptions): Promise<void> {
  const hook = container.lifecycle?.preStop;
  if (!hook || graceSeconds <= 0) return;
  try {
    const podIp = pod.status?.podIP ?? '';
    await runHook(hook, { pod, container, id, podIp, timeoutSeconds: graceSeconds }, options);
  } catch (error) {
    options.log.warn('preStop hook failed', { container: container.name, error });
    options.record(container, { type: 'Warning', reason: 'FailedPreStopHook', message: 'PreStopHook failed' });
  }
}
