import { type Runtime, RuntimeError } from './cri/runtime.ts';
import type { Container, ContainerStatus, PodSandbox } from './cri/types.ts';
import { LABELS } from './sandbox-config.ts';

/** What the runtime has of one pod (by uid), newest first. */
export interface Observed {
  readonly sandboxes: readonly PodSandbox[];
  /** Newest attempt of each container name, then older ones. */
  readonly containers: readonly ObservedContainer[];
}

export interface ObservedContainer extends ContainerStatus {
  readonly sandboxId: string;
}

export async function observePod(runtime: Runtime, uid: string): Promise<Observed> {
  const labels = { [LABELS.podUid]: uid };
  const [sandboxes, containers] = await Promise.all([runtime.listPodSandboxes(labels), runtime.listContainers(labels)]);
  const statuses = await Promise.all(containers.map((container) => statusOf(runtime, container)));
  return {
    sandboxes: sandboxes.toSorted((a, b) => b.metadata.attempt - a.metadata.attempt),
    containers: statuses
      .filter((status) => status !== undefined)
      .sort((a, b) => b.metadata.attempt - a.metadata.attempt),
  };
}

async function statusOf(runtime: Runtime, container: Container): Promise<ObservedContainer | undefined> {
  try {
    return { ...(await runtime.containerStatus(container.id)), sandboxId: container.pod_sandbox_id };
  } catch (error) {
    // Removed since it was listed.
    if (error instanceof RuntimeError && error.code === NOT_FOUND) return undefined;
    throw error;
  }
}

const NOT_FOUND = 5;

/** The newest container of a name. */
export function newest(observed: Observed, name: string): ObservedContainer | undefined {
  return observed.containers.find((container) => container.metadata.name === name);
}

/** The newest container of a name in one sandbox. */
export function newestIn(observed: Observed, sandboxId: string, name: string): ObservedContainer | undefined {
  const found = newest(observed, name);
  return found?.sandboxId === sandboxId ? found : undefined;
}

export function readySandbox(observed: Observed): PodSandbox | undefined {
  return observed.sandboxes.find((sandbox) => sandbox.state === 'SANDBOX_READY');
}

/** Uids of the pods that the runtime has anything of. */
export async function observedPods(runtime: Runtime): Promise<Map<string, { namespace: string; name: string }>> {
  const sandboxes = await runtime.listPodSandboxes();
  return new Map(
    sandboxes.map(({ metadata }) => [metadata.uid, { namespace: metadata.namespace, name: metadata.name }]),
  );
}
