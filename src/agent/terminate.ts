import type { Pod } from '../api/types.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Container } from './container-config.ts';
import type { Runtime } from './cri/runtime.ts';
import { newest, type Observed } from './observe.ts';
import { httpProbe } from './probes.ts';

export interface TerminateOptions {
  runtime: Runtime;
  clock: Clock;
  record: (container: Container, event: { type: 'Normal' | 'Warning'; reason: string; message: string }) => void;
}

/** Ends a pod's running containers: preStop, TERM, and KILL when the grace period is over. */
export async function terminateContainers(pod: Pod, observed: Observed, options: TerminateOptions): Promise<void> {
  const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? pod.spec!.terminationGracePeriodSeconds ?? 30;
  await Promise.all(
    pod.spec!.containers.map(async (container) => {
      const status = newest(observed, container.name);
      if (status?.state !== 'CONTAINER_RUNNING') return;
      options.record(container, { type: 'Normal', reason: 'Killing', message: `Stopping container ${container.name}` });
      const startMs = options.clock.now();
      await runPreStop(pod, { container, id: status.id, graceSeconds }, options);
      const left = Math.max(0, graceSeconds - Math.floor((options.clock.now() - startMs) / 1000));
      await options.runtime.stopContainer(status.id, left);
    }),
  );
}

interface Target {
  readonly container: Container;
  readonly id: string;
  readonly graceSeconds: number;
}

async function runPreStop(pod: Pod, { container, id, graceSeconds }: Target, options: TerminateOptions): Promise<void> {
  const hook = container.lifecycle?.preStop;
  if (!hook || graceSeconds <= 0) return;
  try {
    if (hook.sleep) await sleep(options.clock, Math.min(hook.sleep.seconds, graceSeconds) * 1000);
    if (hook.exec)
      await options.runtime.execSync({ id, command: hook.exec.command ?? [], timeoutSeconds: graceSeconds });
    if (hook.httpGet) await httpProbe({ container, podIp: pod.status?.podIP ?? '' }, hook.httpGet, graceSeconds * 1000);
  } catch (error) {
    options.record(container, { type: 'Warning', reason: 'FailedPreStopHook', message: (error as Error).message });
  }
}
