import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseQuantity } from '../api/quantity.ts';
import type { Pod } from '../api/types.ts';
import { podDir } from './pod-memory.ts';
import type { Failure } from './status.ts';

export interface LimitOptions {
  readonly now: number;
  readonly stateDir: string;
}

/** The pod must end, or may go on; then, when to look again. */
export type Limit = { readonly failure: Failure } | { readonly againMs: number | undefined };

const USAGE_MS = 10_000;

/** What ends a pod whatever its containers do: its deadline, what it asks of the kernel, the room that it takes. */
export async function checkLimits(pod: Pod, options: LimitOptions): Promise<Limit> {
  const leftMs = deadlineLeft(pod, options.now);
  if (leftMs !== undefined && leftMs <= 0) return { failure: DEADLINE };
  const sysctl = forbiddenSysctl(pod);
  if (sysctl) {
    const message = `forbidden sysctl: ${JSON.stringify(sysctl)} not allowlisted`;
    return { failure: { reason: 'SysctlForbidden', message } };
  }
  const limited = (pod.spec?.volumes ?? []).filter(
    ({ emptyDir }) => emptyDir?.sizeLimit !== undefined && emptyDir.medium !== 'Memory',
  );
  for (const { name, emptyDir } of limited) {
    const limit = parseQuantity(String(emptyDir!.sizeLimit)) ?? Number.POSITIVE_INFINITY;
    const used = await diskUsage(join(podDir(options.stateDir, pod.metadata.uid!), 'volumes', name));
    if (used <= limit) continue;
    const message = `Usage of EmptyDir volume ${JSON.stringify(name)} exceeds the limit ${JSON.stringify(String(emptyDir!.sizeLimit))}. `;
    return { failure: { reason: 'Evicted', message } };
  }
  return { againMs: limited.length > 0 ? Math.min(USAGE_MS, leftMs ?? USAGE_MS) : leftMs };
}

const DEADLINE: Failure = {
  reason: 'DeadlineExceeded',
  message: 'Pod was active on the node longer than the specified deadline',
};

/** Ms until a pod's `activeDeadlineSeconds` are over. */
function deadlineLeft({ spec, status }: Pod, now: number): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || !status?.startTime) return undefined;
  return Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - now;
}

/** Settings of the kernel that concern a pod's own namespaces alone (the kubelet's safe list). */
const SAFE_SYSCTLS = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

function forbiddenSysctl({ spec }: Pod): string | undefined {
  const names = (spec?.securityContext?.sysctls ?? []).map(({ name }) => name.replaceAll('/', '.'));
  return names.find((name) => !SAFE_SYSCTLS.has(name) || (spec?.hostNetwork && name.startsWith('net.')));
}

const BLOCK_BYTES = 512;

/** Bytes on the disk of all that lies below a directory; what goes meanwhile counts nothing. */
async function diskUsage(directory: string): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true }).catch(() => []);
  let blocks = 0;
  for (const entry of entries) {
    const stats = await lstat(join(entry.parentPath, entry.name)).catch(() => undefined);
    blocks += stats?.blocks ?? 0;
  }
  return blocks * BLOCK_BYTES;
}
