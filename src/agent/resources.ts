import { parseQuantity } from '../api/quantity.ts';
import type { Pod } from '../api/types.ts';
import type { Image, LinuxResources, LinuxSecurityContext, SecurityProfile } from './cri/types.ts';
import { namespaceOptions } from './sandbox-config.ts';

type Container = NonNullable<Pod['spec']>['containers'][number];

const CPU_PERIOD_US = 100_000;

/** A container's requests and limits as cgroup settings. */
export function linuxResources(container: Container): LinuxResources {
  const { requests, limits } = container.resources ?? {};
  const cpuRequest = amount(requests?.['cpu'] ?? limits?.['cpu']);
  const cpuLimit = amount(limits?.['cpu']);
  const memory = amount(limits?.['memory']);
  return {
    cpu_shares: Math.max(2, Math.round((cpuRequest ?? 0) * 1024)),
    ...(cpuLimit ? { cpu_period: CPU_PERIOD_US, cpu_quota: Math.max(1000, Math.round(cpuLimit * CPU_PERIOD_US)) } : {}),
    ...(memory ? { memory_limit_in_bytes: Math.round(memory) } : {}),
  };
}

function amount(quantity: string | number | undefined): number | undefined {
  return quantity === undefined ? undefined : parseQuantity(String(quantity));
}

const GUARANTEED_SCORE = -997;
const BEST_EFFORT_SCORE = 1000;
const CRITICAL_PRIORITY = 2_000_000_000;

/** How willingly the kernel ends a container when memory is short (`oom_score_adj`), by the pod's class and its request. */
export function oomScore(pod: Pod, container: Container, machineBytes: number): number {
  const critical = (pod.spec?.priority ?? 0) >= CRITICAL_PRIORITY;
  if (critical || pod.status?.qosClass === 'Guaranteed') return GUARANTEED_SCORE;
  if (pod.status?.qosClass === 'BestEffort') return BEST_EFFORT_SCORE;
  const share = (amount(container.resources?.requests?.['memory']) ?? 0) / machineBytes;
  return Math.min(BEST_EFFORT_SCORE - 1, Math.max(3, Math.floor(BEST_EFFORT_SCORE - BEST_EFFORT_SCORE * share)));
}

/** What may be asked of the kernel: a container's own profile, else the pod's; nothing said is no profile. */
export function seccompProfile(...contexts: { seccompProfile?: SeccompChoice }[]): SecurityProfile {
  const chosen = contexts.find((context) => context.seccompProfile)?.seccompProfile;
  if (chosen?.type === 'RuntimeDefault') return { profile_type: 'RuntimeDefault' };
  if (chosen?.type !== 'Localhost') return { profile_type: 'Unconfined' };
  return { profile_type: 'Localhost', localhost_ref: `${SECCOMP_DIRECTORY}/${chosen.localhostProfile}` };
}

interface SeccompChoice {
  type: string;
  localhostProfile?: string;
}

/** Where a node keeps its own profiles (the kubelet's place). */
const SECCOMP_DIRECTORY = '/var/lib/kubelet/seccomp';

export function linuxSecurityContext(container: Container, pod: Pod): LinuxSecurityContext {
  const own = container.securityContext ?? {};
  const shared = pod.spec?.securityContext ?? {};
  const user = own.runAsUser ?? shared.runAsUser;
  const group = own.runAsGroup ?? shared.runAsGroup;
  const groups = [...(shared.supplementalGroups ?? []), ...(shared.fsGroup === undefined ? [] : [shared.fsGroup])];
  return {
    privileged: own.privileged ?? false,
    namespace_options: namespaceOptions(pod),
    readonly_rootfs: own.readOnlyRootFilesystem ?? false,
    no_new_privs: own.allowPrivilegeEscalation === false,
    supplemental_groups: groups,
    seccomp: seccompProfile(own, shared),
    capabilities: { add_capabilities: own.capabilities?.add ?? [], drop_capabilities: own.capabilities?.drop ?? [] },
    ...(user === undefined ? {} : { run_as_user: { value: user } }),
    ...(group === undefined ? {} : { run_as_group: { value: group } }),
  };
}

export function mustNotBeRoot(pod: Pod, container: Container): boolean {
  return container.securityContext?.runAsNonRoot ?? pod.spec?.securityContext?.runAsNonRoot ?? false;
}

/** Why a container that must not run as root can't be started; undefined when its user is known to be another. */
export function rootRefusal(pod: Pod, container: Container, image: Image | undefined): string | undefined {
  const where = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
  const asked = container.securityContext?.runAsUser ?? pod.spec?.securityContext?.runAsUser;
  if (asked !== undefined) return asked === 0 ? `container's runAsUser breaks non-root policy ${where}` : undefined;
  if (image?.username) {
    return `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`;
  }
  if (image?.uid && image.uid.value !== '0') return undefined;
  return `container has runAsNonRoot and image will run as root ${where}`;
}
