import { join } from 'node:path';
import type { Pod } from '../api/types.ts';
import type { Failure, Waiting } from './status.ts';

/** What is remembered of a pod between two looks at it; all of it can be lost. */
export interface PodMemory {
  /** Container name → why it waits. */
  readonly waiting: Map<string, Waiting>;
  /** Container id → its termination message. */
  readonly messages: Map<string, string>;
  podIp?: string;
  /** Its addresses of other families. */
  morePodIps?: readonly string[];
  /** Why the node ends the pod. */
  failure?: Failure;
}

/** Directory of a pod's volumes, hosts file and termination messages. */
export function podDir(stateDir: string, uid: string): string {
  return join(stateDir, 'pods', uid);
}

/** File that a container may leave a last message in. */
export function messagePath(stateDir: string, at: { uid: string; container: string; attempt: number }): string {
  return join(podDir(stateDir, at.uid), 'messages', `${at.container}-${at.attempt}`);
}

/** Directory of a pod's container logs. */
export function podLogDir(stateDir: string, pod: Pod): string {
  const { namespace, name, uid } = pod.metadata;
  return join(stateDir, 'logs', `${namespace}_${name}_${uid}`);
}

export function keyOf(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}
