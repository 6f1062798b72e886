import { availableParallelism, totalmem } from 'node:os';
import { parseQuantity } from '../api/quantity.ts';
import type { Pod } from '../api/types.ts';
import type { ContainerConfig, Mount } from './cri/types.ts';
import { type EnvPair, expand } from './environment.ts';
import { linuxResources, linuxSecurityContext, oomScore } from './resources.ts';
import { LABELS, podLabels } from './sandbox-config.ts';

export type Container = NonNullable<Pod['spec']>['containers'][number];

/** An init container that goes on running beside the others (KEP-753). */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

export function sidecarsOf(pod: Pod): Container[] {
  return (pod.spec?.initContainers ?? []).filter(isSidecar);
}

/** Containers that `kubectl debug` has added; the fields of theirs that others lack are read by name. */
export function ephemeralOf(pod: Pod): (Container & { targetContainerName?: string })[] {
  return (pod.spec?.ephemeralContainers ?? []) as Container[];
}

/** Every container that a pod names, of whatever sort. */
export function allContainers(pod: Pod): Container[] {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? []), ...ephemeralOf(pod)];
}

export interface ContainerOptions {
  attempt: number;
  /** Id of the image, as the runtime knows it. */
  image: string;
  env: readonly EnvPair[];
  /** Volume name → host path. */
  volumes: ReadonlyMap<string, string>;
  /** Mount path → host path, of mounts that are a part of a volume. */
  subPaths: ReadonlyMap<string, string>;
  /** Container whose processes an ephemeral container shares. */
  targetId?: string;
  /** Host path of the pod's `/etc/hosts`; none for pods on the node's network. */
  hostsPath: string | undefined;
  /** Host path of the file that the container may leave a last message in. */
  terminationPath: string;
}

/** The container that CRI is asked to create. */
export function containerConfig(pod: Pod, container: Container, options: ContainerOptions): ContainerConfig {
  const variables = new Map(options.env);
  return {
    metadata: { name: container.name, attempt: options.attempt },
    image: { image: options.image },
    command: (container.command ?? []).map((word) => expand(word, variables)),
    args: (container.args ?? []).map((word) => expand(word, variables)),
    working_dir: container.workingDir ?? '',
    envs: options.env.map(([key, value]) => ({ key, value: Buffer.from(value) })),
    mounts: mounts(container, options),
    labels: { ...podLabels(pod), [LABELS.containerName]: container.name },
    annotations: {},
    log_path: `${container.name}/${options.attempt}.log`,
    stdin: container.stdin ?? false,
    stdin_once: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources: { ...linuxResources(container), oom_score_adj: oomScore(pod, container, totalmem()) },
      security_context: securityContext(pod, container, options.targetId),
    },
  };
}

function securityContext(pod: Pod, container: Container, targetId: string | undefined) {
  const context = linuxSecurityContext(container, pod);
  if (targetId === undefined) return context;
  const shared = { ...context.namespace_options, pid: 'TARGET' as const, target_id: targetId };
  return { ...context, namespace_options: shared };
}

const PROPAGATION = {
  None: 'PROPAGATION_PRIVATE',
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL',
} as const;

function mounts(container: Container, options: ContainerOptions): Mount[] {
  const volumes = (container.volumeMounts ?? []).map((mount): Mount => {
    return {
      container_path: mount.mountPath,
      host_path: options.subPaths.get(mount.mountPath) ?? options.volumes.get(mount.name) ?? '',
      readonly: mount.readOnly ?? false,
      propagation: PROPAGATION[(mount.mountPropagation ?? 'None') as keyof typeof PROPAGATION],
    };
  });
  const own = new Set(volumes.map((mount) => mount.container_path));
  const extra: Mount[] = [
    ...(options.hostsPath ? [{ container_path: '/etc/hosts', host_path: options.hostsPath }] : []),
    { container_path: container.terminationMessagePath ?? '/dev/termination-log', host_path: options.terminationPath },
  ];
  return [...volumes, ...extra.filter((mount) => !own.has(mount.container_path))];
}

/** Value of a `fieldRef` (downward API). Throws for a path that has none. */
export function fieldValue(pod: Pod, path: string, at: { nodeIp: string }): string {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed) return pod.metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2]!] ?? '';
  const values: Record<string, () => string> = {
    'metadata.name': () => pod.metadata.name,
    'metadata.namespace': () => pod.metadata.namespace ?? '',
    'metadata.uid': () => pod.metadata.uid ?? '',
    'metadata.labels': () => pairLines(pod.metadata.labels),
    'metadata.annotations': () => pairLines(pod.metadata.annotations),
    'spec.nodeName': () => pod.spec?.nodeName ?? '',
    'spec.serviceAccountName': () => pod.spec?.serviceAccountName ?? '',
    'status.podIP': () => pod.status?.podIP ?? '',
    'status.podIPs': () => (pod.status?.podIPs ?? []).map(({ ip }) => ip).join(','),
    'status.hostIP': () => at.nodeIp,
    'status.hostIPs': () => at.nodeIp,
  };
  const read = Object.hasOwn(values, path) ? values[path] : undefined;
  if (!read) throw new Error(`unsupported fieldPath: ${path}`);
  return read();
}

export interface ResourceRef {
  containerName?: string;
  /** `limits.cpu`, `requests.memory` and the like. */
  resource: string;
  divisor?: string | number;
}

/** Value of a `resourceFieldRef`, in whole divisors, rounded up. What has no limit has the machine's. */
export function resourceValue(pod: Pod, { containerName, resource, divisor }: ResourceRef): string {
  const all = [...pod.spec!.containers, ...(pod.spec!.initContainers ?? [])];
  const container = all.find(({ name }) => name === containerName);
  const [kind, name = ''] = resource.split('.') as ['limits' | 'requests', string];
  const set = container?.resources?.[kind]?.[name];
  const machine: Record<string, number> = { cpu: availableParallelism(), memory: totalmem() };
  const unlimited = kind === 'limits' ? (machine[name] ?? 0) : 0;
  const value = set === undefined ? unlimited : (parseQuantity(String(set)) ?? 0);
  const unit = parseQuantity(String(divisor ?? '1')) || 1;
  return String(Math.ceil(Number((value / unit).toFixed(6))));
}

function pairLines(pairs: Record<string, string> | undefined): string {
  return Object.entries(pairs ?? {})
    .sort()
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}
