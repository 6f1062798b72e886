import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import { renderContainerdConfig } from '../../src/agent/containerd-config.ts';
import { connectRuntime, type Runtime } from '../../src/agent/cri/runtime.ts';
import { removeCgroup } from '../../src/host/cgroup.ts';
import { run, spawnDetached } from '../../src/host/exec.ts';
import { unmountBelow } from '../../src/host/mounts.ts';
import { allPids, commandLine, identify, isAlive, signalProcess } from '../../src/host/process.ts';
import { sleep, systemClock } from '../../src/lib/clock.ts';
import { findBusybox, makeBusyboxArchive } from './busybox-image.ts';

export const NODE_IP = '10.89.0.11';
export const POD_CIDR = '10.244.1.0/24';
export const IMAGE = 'sampan.dev/test:1';
const PAUSE_IMAGE = 'sampan.dev/pause:1';
const CLONE_NEWNET = 0x40000000;

/** Why containers can't be run here; undefined when they can. */
export function whyNoContainers(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = ['/usr/bin/containerd', '/usr/sbin/runc', '/usr/lib/cni/ptp'].filter((path) => !existsSync(path));
  return missing.length > 0 ? `needs ${missing.join(', ')}` : undefined;
}

/**
 * Moves this process into a network namespace of its own, which is gone when the process is: the node's network with
 * no way out.
 */
export async function enterOwnNetwork(): Promise<void> {
  // A package can't be fetched from inside.
  await findBusybox();
  const unshare = koffi.load('libc.so.6').func('int unshare(int flags)');
  if ((unshare(CLONE_NEWNET) as number) !== 0) throw new Error('unshare of the network namespace failed');
  await run(['ip', 'link', 'set', 'lo', 'up']);
  await run(['ip', 'link', 'add', 'node0', 'type', 'bridge']);
  await run(['ip', 'address', 'add', `${NODE_IP}/24`, 'dev', 'node0']);
  await run(['ip', 'link', 'set', 'node0', 'up']);
  await run(['ip', 'route', 'add', 'unreachable', 'default']);
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
}

/** A containerd of the test's own, with an image that holds busybox. */
export class TestContainerd {
  readonly directory: string;
  readonly socket: string;
  readonly cgroupParent: string;
  #pid: number;

  constructor(directory: string, pid: number) {
    this.directory = directory;
    this.socket = join(directory, 'containerd.sock');
    this.cgroupParent = cgroupOf(directory);
    this.#pid = pid;
  }

  static async start(): Promise<TestContainerd> {
    const directory = await mkdtemp(join(tmpdir(), 'sampan-agent-'));
    const cniConfDir = join(directory, 'cni');
    await mkdir(cniConfDir, { recursive: true });
    const config = renderContainerdConfig({
      root: join(directory, 'root'),
      state: join(directory, 'state'),
      socket: join(directory, 'containerd.sock'),
      cniConfDir,
      cniBinDir: '/usr/lib/cni',
      sandboxImage: PAUSE_IMAGE,
    });
    await writeFile(join(directory, 'config.toml'), config);
    const containerd = new TestContainerd(directory, spawnContainerd(directory));
    await containerd.#ready();
    const archive = await makeBusyboxArchive(directory, [IMAGE, PAUSE_IMAGE]);
    await run(['ctr', '-a', containerd.socket, '-n', 'k8s.io', 'images', 'import', archive]);
    return containerd;
  }

  connect(): Runtime {
    return connectRuntime(this.socket);
  }

  log(): Promise<string> {
    return readFile(join(this.directory, 'containerd.log'), 'utf8');
  }

  async #ready(): Promise<void> {
    for (let tries = 0; tries < 200; tries++) {
      const runtime = this.connect();
      try {
        await runtime.version();
        return;
      } catch {
        await sleep(systemClock, 25);
      } finally {
        runtime.close();
      }
    }
    throw new Error(`containerd did not start: ${await this.log()}`);
  }

  /** Kills the daemon, not its containers, and starts it again. */
  async restart(): Promise<void> {
    const old = identify(this.#pid);
    signalProcess(this.#pid, 'SIGKILL');
    while (old && isAlive(old)) await sleep(systemClock, 10);
    this.#pid = spawnContainerd(this.directory);
    await this.#ready();
  }

  /** Resolves when no sandbox is left. */
  whenEmpty(): Promise<void> {
    return this.#until(async (runtime) => (await runtime.listPodSandboxes()).length === 0);
  }

  /** Takes an id as `status.containerStatuses[].containerID` has it. */
  whenExited(containerId: string): Promise<void> {
    const id = containerId.replace('containerd://', '');
    return this.#until(async (runtime) => (await runtime.containerStatus(id)).state === 'CONTAINER_EXITED');
  }

  /** Kills the process that holds a pod's namespaces. */
  async killSandbox(pod: string): Promise<void> {
    const runtime = this.connect();
    const { id } = (await runtime.listPodSandboxes()).find(({ metadata }) => metadata.name === pod)!;
    runtime.close();
    await run(['ctr', '-a', this.socket, '-n', 'k8s.io', 'tasks', 'kill', '-s', 'KILL', id]);
  }

  async #until(test: (runtime: Runtime) => Promise<boolean>): Promise<void> {
    const runtime = this.connect();
    try {
      for (let tries = 0; tries < 500; tries++) {
        if (await test(runtime)) return;
        await sleep(systemClock, 20);
      }
      throw new Error('the runtime did not come to the state that was waited for');
    } finally {
      runtime.close();
    }
  }

  /** Leaves nothing behind: pods, shims, mounts, cgroups, files. */
  async stop(): Promise<void> {
    await this.#removePods();
    const own = allPids().filter((pid) => pid !== process.pid && commandLine(pid).includes(this.directory));
    const identities = [...own, this.#pid].map(identify).filter((identity) => identity !== undefined);
    for (const { pid } of identities) signalProcess(pid, 'SIGKILL');
    while (identities.some(isAlive)) await sleep(systemClock, 20);
    await unmountBelow(this.directory);
    removeCgroup(this.cgroupParent);
    await rm(this.directory, { recursive: true, force: true });
  }

  async #removePods(): Promise<void> {
    const runtime = this.connect();
    try {
      const sandboxes = await runtime.listPodSandboxes();
      await Promise.all(
        sandboxes.map(async ({ id }) => {
          await runtime.stopPodSandbox(id);
          await runtime.removePodSandbox(id);
        }),
      );
    } finally {
      runtime.close();
    }
  }
}

function cgroupOf(directory: string): string {
  return `/${directory.split('/').at(-1)}`;
}

function spawnContainerd(directory: string): number {
  const command = ['containerd', '-c', join(directory, 'config.toml')] as const;
  return spawnDetached({ command, logFile: join(directory, 'containerd.log') });
}
