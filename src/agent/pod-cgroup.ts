import { parseQuantity } from '../api/quantity.ts';
import type { Pod } from '../api/types.ts';
import { type CgroupSetting, readCgroupLayout, writeCgroup } from '../host/cgroup.ts';
import type { Logger } from '../lib/log.ts';
import type { Container } from './container-config.ts';

const PERIOD_US = 100_000;
const LEAST_SHARES = 2;

/** What all containers of a pod have together: pods, not containers, share a node. Pure. */
export function podCgroupSettings(pod: Pod, version: 1 | 2): CgroupSetting[] {
  const { containers, initContainers = [] } = pod.spec!;
  const steady = [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')];
  const passing = initContainers.filter(({ restartPolicy }) => restartPolicy !== 'Always');
  const cores = together(steady, passing, 'requests', 'cpu') ?? 0;
  const shares = Math.max(LEAST_SHARES, Math.round(cores * 1024));
  const limit = together(steady, passing, 'limits', 'cpu');
  const memory = together(steady, passing, 'limits', 'memory');
  const quota = limit && Math.max(1000, Math.round(limit * PERIOD_US));
  if (version === 1) {
    return [
      { controller: 'cpu', file: 'cpu.shares', value: String(shares) },
      ...(quota ? [{ controller: 'cpu', file: 'cpu.cfs_period_us', value: String(PERIOD_US) }] : []),
      ...(quota ? [{ controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(quota) }] : []),
      ...(memory ? [{ controller: 'memory', file: 'memory.limit_in_bytes', value: String(Math.round(memory)) }] : []),
    ];
  }
  return [
    { controller: 'cpu', file: 'cpu.weight', value: String(weightOf(shares)) },
    ...(quota ? [{ controller: 'cpu', file: 'cpu.max', value: `${quota} ${PERIOD_US}` }] : []),
    ...(memory ? [{ controller: 'memory', file: 'memory.max', value: String(Math.round(memory)) }] : []),
  ];
}

/** The sum, or more if one that runs before needs more. Of limits there is a sum only if all have one. */
function together(
  steady: readonly Container[],
  passing: readonly Container[],
  kind: 'requests' | 'limits',
  name: 'cpu' | 'memory',
): number | undefined {
  const of = (container: Container) => {
    const set =
      container.resources?.[kind]?.[name] ?? (kind === 'requests' ? container.resources?.limits?.[name] : undefined);
    return set === undefined ? undefined : parseQuantity(String(set));
  };
  const all = [...steady, ...passing];
  if (kind === 'limits' && all.some((container) => of(container) === undefined)) return undefined;
  const sum = steady.reduce((total, container) => total + (of(container) ?? 0), 0);
  return Math.max(sum, ...passing.map((container) => of(container) ?? 0));
}

/** Shares (2 to 262144) as weight (1 to 10000) of cgroup version 2, as runtimes convert them. */
export function weightOf(shares: number): number {
  return Math.floor(1 + ((shares - 2) * 9999) / 262_142);
}

/** Sets the cgroup that the runtime has made for a pod. What the machine has no controller for is left out. */
export async function setPodCgroup(pod: Pod, at: { cgroupParent: string; log: Logger }): Promise<void> {
  const layout = readCgroupLayout();
  const path = `${at.cgroupParent}/pod${pod.metadata.uid}`;
  for (const setting of podCgroupSettings(pod, layout.version)) {
    await writeCgroup(layout, path, setting).catch((error: unknown) =>
      at.log.warn('cgroup of a pod was not set', { pod: pod.metadata.name, file: setting.file, error }),
    );
  }
}
