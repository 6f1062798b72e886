import type { Pod } from '../api/types.ts';
import type { NamespaceOption, PodSandboxConfig } from './cri/types.ts';

/** Labels by which the runtime's objects are found again (the kubelet's names). */
export const LABELS = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
} as const;

export interface SandboxOptions {
  clusterDns: string;
  clusterDomain: string;
  /** cgroup that all pods of this node are in. */
  cgroupParent: string;
  logDirectory: string;
  attempt: number;
}

export function podLabels(pod: Pod): Record<string, string> {
  return {
    [LABELS.podName]: pod.metadata.name,
    [LABELS.podNamespace]: pod.metadata.namespace!,
    [LABELS.podUid]: pod.metadata.uid!,
  };
}

/** The sandbox that CRI is asked to run for a pod. */
export function sandboxConfig(pod: Pod, options: SandboxOptions): PodSandboxConfig {
  const { name, namespace, uid } = pod.metadata;
  return {
    metadata: { name, namespace: namespace!, uid: uid!, attempt: options.attempt },
    hostname: pod.spec?.hostNetwork ? '' : (pod.spec?.hostname ?? name).slice(0, 63),
    log_directory: options.logDirectory,
    dns_config: dnsConfig(pod, options),
    labels: podLabels(pod),
    annotations: {},
    linux: {
      cgroup_parent: `${options.cgroupParent}/pod${uid}`,
      security_context: { namespace_options: namespaceOptions(pod), privileged: isPrivileged(pod) },
    },
  };
}

export function namespaceOptions(pod: Pod): Required<NamespaceOption> {
  const spec = pod.spec!;
  return {
    network: spec.hostNetwork ? 'NODE' : 'POD',
    pid: spec.hostPID ? 'NODE' : spec.shareProcessNamespace ? 'POD' : 'CONTAINER',
    ipc: spec.hostIPC ? 'NODE' : 'POD',
  };
}

function isPrivileged(pod: Pod): boolean {
  return pod.spec!.containers.some((container) => container.securityContext?.privileged === true);
}

type DnsConfig = NonNullable<PodSandboxConfig['dns_config']>;

/** What `/etc/resolv.conf` says in the pod (dnsPolicy, dnsConfig). */
export function dnsConfig(pod: Pod, options: Pick<SandboxOptions, 'clusterDns' | 'clusterDomain'>): DnsConfig {
  const base = basicDns(pod, options);
  const own = pod.spec?.dnsConfig;
  const optionTexts = (own?.options ?? []).map(({ name, value }) => (value === undefined ? name! : `${name}:${value}`));
  const names = new Set(optionTexts.map((text) => text.split(':')[0]));
  return {
    servers: [...base.servers, ...(own?.nameservers ?? [])],
    searches: [...base.searches, ...(own?.searches ?? [])],
    options: [...base.options.filter((text) => !names.has(text.split(':')[0])), ...optionTexts],
  };
}

function basicDns(
  pod: Pod,
  { clusterDns, clusterDomain }: Pick<SandboxOptions, 'clusterDns' | 'clusterDomain'>,
): DnsConfig {
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst';
  const cluster = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !pod.spec?.hostNetwork);
  if (!cluster) return { servers: [], searches: [], options: [] };
  const searches = [`${pod.metadata.namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  return { servers: [clusterDns], searches, options: ['ndots:5'] };
}

/** `/etc/hosts` of a pod. */
export function hostsFile(pod: Pod, { podIp, clusterDomain }: { podIp: string; clusterDomain: string }): string {
  const { name } = pod.metadata;
  const hostname = pod.spec?.hostname ?? name;
  const domain = pod.spec?.subdomain
    ? `${hostname}.${pod.spec.subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}\t`
    : '';
  const aliases = (pod.spec?.hostAliases ?? []).map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}`);
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'ff02::1\tip6-allnodes',
    'ff02::2\tip6-allrouters',
    `${podIp}\t${domain}${hostname}`,
    ...aliases,
  ];
  return `${lines.join('\n')}\n`;
}
