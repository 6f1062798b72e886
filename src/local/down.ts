import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupDirectories, cgroupPids, removeCgroup } from '../host/cgroup.ts';
import { mountsBelow, unmountBelow } from '../host/mounts.ts';
import { deleteNetns, listNetns, netnsPath } from '../host/netns.ts';
import { allPids, commandLine, netnsInode, signalProcess } from '../host/process.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import { withLock } from './lock.ts';
import { type ClusterPlan, ownsNetns } from './plan.ts';
import { runningProcess } from './processes.ts';
import type { LocalContext } from './up.ts';

/**
 * Takes a cluster off this machine, whatever state it is in: processes, mounts, network namespaces, cgroups, directories.
 * Only what bears evidence of belonging to it is touched, and doing it again is harmless.
 */
export function down(plan: ClusterPlan, context: LocalContext): Promise<void> {
  const { ownPid } = context;
  const lock = {
    file: join(plan.directories.run, 'lock'),
    ownPid,
    busy: `cluster ${plan.name} is being started or stopped`,
  };
  return withLock(lock, () => takeDown(plan, context));
}

async function takeDown(plan: ClusterPlan, context: LocalContext): Promise<void> {
  await stopPrograms(plan, context.clock);
  await killRest(plan, context.clock);
  removeShimSockets(plan);
  removeCniResults(plan);
  for (const directory of [plan.directories.state, plan.directories.run]) await unmountAll(directory, context.clock);
  for (const name of ownNamespaces(plan)) await deleteNetns(name);
  await removeCgroups(plan, context.clock);
  for (const directory of [plan.directories.run, plan.directories.state])
    rmSync(directory, { recursive: true, force: true });
}

/** What is left of a cluster: empty after `down`. */
export function leftovers(plan: ClusterPlan): string[] {
  const { state, run } = plan.directories;
  return [
    ...processesOf(plan).map((pid) => `process ${pid}: ${commandLine(pid)}`),
    ...ownNamespaces(plan).map((name) => `network namespace ${name}`),
    ...[state, run].flatMap(mountsBelow).map((path) => `mount ${path}`),
    ...cgroupDirectories(plan.cgroup).map((path) => `cgroup ${path}`),
    ...[state, run].filter((path) => existsSync(path)).map((path) => `directory ${path}`),
    ...cniResults()
      .filter((file) => readText(file).includes(`"${run}/`))
      .map((file) => `file ${file}`),
  ];
}

function ownNamespaces(plan: ClusterPlan): string[] {
  return listNetns(`sampan-${plan.name}-`).filter((name) => ownsNetns(plan.name, name));
}

const STOP_TIMEOUT_MS = 3000;
const POLL_MS = 10;

/** The server and the agents may end by themselves; they must not see their containers die. */
async function stopPrograms(plan: ClusterPlan, clock: Clock): Promise<void> {
  const programs = [plan.server, plan.fakeNodes, ...plan.nodes.map((node) => node.agent)];
  const running = programs.map(runningProcess).filter((identity) => identity !== undefined);
  for (const { pid } of running) signalProcess(pid, 'SIGTERM');
  const deadline = clock.now() + STOP_TIMEOUT_MS;
  while (programs.some(runningProcess) && clock.now() < deadline) await sleep(clock, POLL_MS);
}

async function killRest(plan: ClusterPlan, clock: Clock): Promise<void> {
  const deadline = clock.now() + STOP_TIMEOUT_MS;
  for (;;) {
    const pids = processesOf(plan);
    if (pids.length === 0) return;
    if (clock.now() > deadline) throw new Error(`processes that do not end: ${pids.join(', ')}`);
    for (const pid of pids) signalProcess(pid, 'SIGKILL');
    await sleep(clock, POLL_MS);
  }
}

/**
 * Ids of all processes of a cluster. Evidence of belonging: a pid file, the cgroup, the network namespace, or a shim's
 * address below the run directory.
 */
export function processesOf(plan: ClusterPlan): number[] {
  const programs = [plan.server, plan.fakeNodes, ...plan.nodes.flatMap((node) => [node.agent, node.containerd])];
  const known = programs.map(runningProcess).filter((identity) => identity !== undefined);
  const inodes = new Set(ownNamespaces(plan).map(inodeOf).filter(Boolean));
  const shimAddress = ` -address ${plan.directories.run}/`;
  const found = allPids().filter((pid) => {
    const inode = netnsInode(pid);
    return (inode && inodes.has(inode)) || commandLine(pid).includes(shimAddress);
  });
  return [...new Set([...known.map((identity) => identity.pid), ...cgroupPids(plan.cgroup), ...found])];
}

/** As /proc/<pid>/ns/net shows it. */
function inodeOf(netns: string): string {
  return `net:[${statSync(netnsPath(netns)).ino}]`;
}

const SHIM_BUNDLES = 'io.containerd.runtime.v2.task/k8s.io';

/** A shim's socket lies outside of containerd's own directories; a shim that was killed leaves it. */
function removeShimSockets(plan: ClusterPlan): void {
  for (const node of plan.nodes) {
    const bundles = join(node.containerd.state, SHIM_BUNDLES);
    for (const id of existsSync(bundles) ? readdirSync(bundles) : []) {
      const address = join(bundles, id, 'address');
      const socket = existsSync(address)
        ? readFileSync(address, 'utf8')
            .trim()
            .replace(/^unix:\/\//, '')
        : '';
      if (socket.startsWith('/run/containerd/s/')) rmSync(socket, { force: true });
    }
  }
}

/** Where the CNI library keeps what it will need to take an interface away again; it has no setting for it. */
const CNI_RESULTS = '/var/lib/cni/results';

/** A pod's network namespace lies below its node's run directory: that tells whose a result is. */
function removeCniResults({ directories }: ClusterPlan): void {
  for (const file of cniResults()) if (readText(file).includes(`"${directories.run}/`)) rmSync(file, { force: true });
}

function cniResults(): string[] {
  return existsSync(CNI_RESULTS) ? readdirSync(CNI_RESULTS).map((name) => join(CNI_RESULTS, name)) : [];
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function unmountAll(directory: string, clock: Clock): Promise<void> {
  const deadline = clock.now() + STOP_TIMEOUT_MS;
  while (mountsBelow(directory).length > 0) {
    try {
      await unmountBelow(directory);
    } catch (error) {
      // A mount that went by itself meanwhile is fine.
      if (clock.now() > deadline) throw error;
    }
    await sleep(clock, POLL_MS);
  }
}

async function removeCgroups(plan: ClusterPlan, clock: Clock): Promise<void> {
  const deadline = clock.now() + STOP_TIMEOUT_MS;
  // The kernel lets go of a cgroup some time after its last process.
  while (removeCgroup(plan.cgroup).length > 0) {
    if (clock.now() > deadline) throw new Error(`cgroup ${plan.cgroup} could not be removed`);
    await sleep(clock, POLL_MS);
  }
}
