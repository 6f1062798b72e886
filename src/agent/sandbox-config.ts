import type { Pod } from '../api/types.ts';
import type { NamespaceOption, PodSandboxConfig, PortMapping } from './cri/types.ts';

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
    hostname: pod.spec?.hostNetwork ? '' : podHostname(pod, options.clusterDomain),
    port_mappings: portMappings(pod),
    log_directory: options.logDirectory,
    dns_config: dnsConfig(pod, options),
    labels: podLabels(pod),
    annotations: {},
    linux: {
      cgroup_parent: `${options.cgroupParent}/pod${uid}`,
      security_context: {
        namespace_options: namespaceOptions(pod),
        privileged: isPrivileged(pod),
        seccomp: { profile_type: 'RuntimeDefault' },
      },
      sysctls: Object.fromEntries((pod.spec?.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value])),
    },
  };
}

const HOSTNAME_MAX = 63;
const FQDN_MAX = 64;

/** What a pod takes its node for. Throws for a full name that the kernel has no room for. */
export function podHostname(pod: Pod, clusterDomain: string): string {
  const { hostname, subdomain, setHostnameAsFQDN } = pod.spec ?? {};
  const short = (hostname || pod.metadata.name).slice(0, HOSTNAME_MAX).replace(/[-.]+$/, '');
  if (!setHostnameAsFQDN || !subdomain) return short;
  const full = `${short}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}`;
  if (full.length <= FQDN_MAX) return full;
  const limit = `hostname length limit (${FQDN_MAX})`;
  throw new Error(`failed to construct FQDN from pod hostname and cluster domain, FQDN ${full} is too long (${limit})`);
}

/** Ports of the node that lead to the pod (`hostPort`). */
export function portMappings(pod: Pod): PortMapping[] {
  if (pod.spec?.hostNetwork) return [];
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const all = [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')];
  const ports = all.flatMap((container) => container.ports ?? []).filter((port) => port.hostPort);
  return ports.map((port) => ({
    protocol: (port.protocol ?? 'TCP') as PortMapping['protocol'],
    container_port: port.containerPort,
    host_port: port.hostPort!,
    host_ip: port.hostIP ?? '',
  }));
}

export function namespaceOptions(pod: Pod): NamespaceOption {
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

/** `/etc/hosts` of a pod on its node's network: the node's own, and the pod's aliases. */
export function hostNetworkHostsFile(pod: Pod, own: string): string {
  return `# Kubernetes-managed hosts file (host network).\n${own}\n${aliasLines(pod).join('\n')}\n`;
}

function aliasLines(pod: Pod): string[] {
  return (pod.spec?.hostAliases ?? []).map(({ ip, hostnames }) => [ip, ...(hostnames ?? [])].join('\t'));
}

/** `/etc/hosts` of a pod. */
export function hostsFile(pod: Pod, { podIp, clusterDomain }: { podIp: string; clusterDomain: string }): string {
  const { name } = pod.metadata;
  const hostname = pod.spec?.hostname ?? name;
  const domain = pod.spec?.subdomain
    ? `${hostname}.${pod.spec.subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}\t`
    : '';
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'ff02::1\tip6-allnodes',
    'ff02::2\tip6-allrouters',
    `${podIp}\t${domain}${hostname}`,
    ...aliasLines(pod),
  ];
  return `${lines.join('\n')}\n`;
}
