import { existsSync, readdirSync } from 'node:fs';
import { CommandError, run } from './exec.ts';

const NETNS_DIR = '/run/netns';

export function netnsPath(name: string): string {
  return `${NETNS_DIR}/${name}`;
}

export function netnsExists(name: string): boolean {
  return existsSync(netnsPath(name));
}

/** Names of the network namespaces that begin with `prefix`. */
export function listNetns(prefix: string): string[] {
  if (!existsSync(NETNS_DIR)) return [];
  return readdirSync(NETNS_DIR).filter((name) => name.startsWith(prefix));
}

export async function addNetns(name: string): Promise<void> {
  if (!netnsExists(name)) await run(['ip', 'netns', 'add', name]);
}

/** Gone with all its links, once no process is left in it. */
export async function deleteNetns(name: string): Promise<void> {
  if (netnsExists(name)) await run(['ip', 'netns', 'delete', name]);
}

/** Runs `ip` commands, one a line, in a namespace (or here): one process for all of them. */
export async function ipBatch(lines: readonly string[], netns?: string): Promise<void> {
  if (lines.length === 0) return;
  const at = netns ? (['-n', netns] as const) : [];
  await run(['ip', ...at, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

/** Sets sysctls (`net/ipv4/ip_forward` → value) in a namespace. */
export async function setSysctls(netns: string, values: Readonly<Record<string, string | number>>): Promise<void> {
  const script = Object.entries(values).map(([key, value]) => `echo ${value} > /proc/sys/${key}`);
  await run(['nsenter', `--net=${netnsPath(netns)}`, '--', 'sh', '-ec', script.join('\n')]);
}

/** True when the namespace already has a link of that name. */
export async function hasLink(netns: string, link: string): Promise<boolean> {
  try {
    await run(['ip', '-n', netns, 'link', 'show', link]);
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}
