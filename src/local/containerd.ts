import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { netnsPath } from '../host/netns.ts';
import type { NodePlan } from './plan.ts';
import { runningProcess, startProcess, type WaitOptions, waitFor } from './processes.ts';

/** What a containerd's configuration depends on. */
export interface ContainerdSettings {
  root: string;
  state: string;
  socket: string;
  cniConfDir: string;
  cniBinDir: string;
  sandboxImage: string;
}

/** Text of `config.toml`. */
export type RenderContainerdConfig = (settings: ContainerdSettings) => string;

export const PAUSE_IMAGE = 'sampan.dev/pause:1';
/** Where Debian puts CNI plugins. */
export const CNI_BIN_DIR = '/usr/lib/cni';

/** Starts a node's containerd in the node's network namespace unless it runs; true when it was started. */
export function startContainerd(node: NodePlan, render: RenderContainerdConfig): boolean {
  const { containerd } = node;
  if (runningProcess(containerd)) return false;
  for (const directory of [node.runDir, node.cniConfDir, containerd.root, containerd.state])
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  // A socket that a killed containerd left would be taken for a running one.
  for (const suffix of ['', '.ttrpc']) rmSync(`${containerd.socket}${suffix}`, { force: true });
  const { root, state, socket } = containerd;
  const { cniConfDir } = node;
  const settings = { root, state, socket, cniConfDir, cniBinDir: CNI_BIN_DIR, sandboxImage: PAUSE_IMAGE };
  writeFileSync(containerd.configFile, render(settings));
  const command = ['containerd', '--config', containerd.configFile, '--log-level', 'warn'] as const;
  return startProcess(containerd, { command, netns: netnsPath(node.netns) });
}

const START_TIMEOUT_MS = 20_000;

/** Resolves once the node's containerd has its socket. */
export function containerdReady(node: NodePlan, wait: Pick<WaitOptions, 'clock' | 'signal'>): Promise<void> {
  return waitFor({
    what: `containerd of ${node.name}`,
    check: () => existsSync(node.containerd.socket),
    process: node.containerd,
    timeoutMs: START_TIMEOUT_MS,
    ...wait,
  });
}
