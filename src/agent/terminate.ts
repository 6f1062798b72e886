import type { Pod } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Container } from './container-config.ts';
import type { Runtime } from './cri/runtime.ts';
import type { ContainerStatus } from './cri/types.ts';
import { runHook } from './hooks.ts';
import type { Observed } from './observe.ts';

export interface TerminateOptions {
  runtime: Runtime;
  clock: Clock;
  log: Logger;
  record: (container: Container, event: { type: 'Normal' | 'Warning'; reason: string; message: string }) => void;
}

/** Ends a pod's running containers, all at once: preStop, TERM, and KILL when the grace period is over. */
export async function terminateContainers(pod: Pod, observed: Observed, options: TerminateOptions): Promise<void> {
  const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? pod.spec!.terminationGracePeriodSeconds ?? 30;
  const running = observed.containers.filter((status) => status.state === 'CONTAINER_RUNNING');
  await Promise.all(
    running.map(async (status) => {
      const container = specOf(pod, status);
      if (!container) return options.runtime.stopContainer(status.id, graceSeconds);
      options.record(container, { type: 'Normal', reason: 'Killing', message: `Stopping container ${container.name}` });
      await endContainer({ pod, container, id: status.id, graceSeconds }, options);
    }),
  );
}

function specOf(pod: Pod, status: ContainerStatus): Container | undefined {
  const all = [...pod.spec!.containers, ...((pod.spec!.initContainers ?? []) as Container[])];
  return all.find(({ name }) => name === status.metadata.name);
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
  await runPreStop(ending, options);
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
