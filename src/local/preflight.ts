import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CommandError, run } from '../host/exec.ts';
import { CNI_BIN_DIR } from './containerd.ts';

/** What a machine offers, as far as a cluster needs it. */
export interface MachineFacts {
  readonly root: boolean;
  /** Names of needed programs and CNI plugins that were not found. */
  readonly missingPrograms: readonly string[];
  /** Text of /proc/filesystems. */
  readonly filesystems: string;
  /** cgroup controllers that are mounted. */
  readonly cgroupControllers: readonly string[];
  /** Kernel feature → what the attempt to use it said; only those that failed. */
  readonly failedProbes: Readonly<Record<string, string>>;
}

/** Program → the Debian package that has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  containerd: 'containerd',
  'containerd-shim-runc-v2': 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  ip: 'iproute2',
  nft: 'nftables',
  haproxy: 'haproxy',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
};

/** CNI plugins of the pod network. */
const PLUGINS = ['ptp', 'host-local', 'loopback'];
const PLUGIN_PACKAGE = 'containernetworking-plugins';
const CONTROLLERS = ['cpu', 'memory', 'pids'];

/** Kernel feature → a command in a network namespace of its own that needs it, and what brings it. */
const PROBES: Readonly<Record<string, { command: string; how: string }>> = {
  'pairs of virtual links (veth)': { command: 'ip link add p0 type veth peer name p1', how: 'modprobe veth' },
  'bridges (bridge)': { command: 'ip link add b0 type bridge', how: 'modprobe bridge' },
  'address translation by nftables (nft_nat)': {
    command:
      'nft "add table ip t; add chain ip t c { type nat hook output priority 0; }; add rule ip t c dnat to 127.0.0.1"',
    how: 'modprobe nft_chain_nat',
  },
  'maps of nftables (nf_tables_set)': {
    command: 'nft "add table ip u; add map ip u m { type ipv4_addr . inet_service : ipv4_addr . inet_service; }"',
    how: 'modprobe nf_tables',
  },
};

/** What keeps a cluster from running, each with the way to change it. Pure. */
export function problemsOfMachine(facts: MachineFacts): string[] {
  if (!facts.root) return ['root is needed, for network namespaces and containers: sudo ./sampan …'];
  return [
    ...facts.missingPrograms.map((name) => `${name} is missing: ./sampan setup, or apt-get install ${packageOf(name)}`),
    ...(/\boverlay$/m.test(facts.filesystems) ? [] : ['the kernel has no overlay file system: modprobe overlay']),
    ...CONTROLLERS.filter((name) => !facts.cgroupControllers.includes(name)).map(
      (name) => `the cgroup controller "${name}" is not there: mount cgroups at /sys/fs/cgroup with it enabled`,
    ),
    ...Object.entries(facts.failedProbes).map(
      ([feature, said]) =>
        `the kernel does not let us have ${feature}: ${PROBES[feature]?.how ?? ''} (it said: ${said})`,
    ),
  ];
}

function packageOf(program: string): string {
  return PROGRAMS[program] ?? PLUGIN_PACKAGE;
}

/** Looks at the machine without changing it. */
export async function inspectMachine(options: { uid: number; path: string }): Promise<MachineFacts> {
  const root = options.uid === 0;
  const missingPrograms = [
    ...Object.keys(PROGRAMS).filter((name) => !findProgram(name, options.path)),
    ...PLUGINS.filter((name) => !isExecutable(join(CNI_BIN_DIR, name))),
  ];
  return {
    root,
    missingPrograms,
    filesystems: readFileSync('/proc/filesystems', 'utf8'),
    cgroupControllers: cgroupControllers(),
    failedProbes: root && missingPrograms.length === 0 ? await failedProbes() : {},
  };
}

function findProgram(name: string, path: string): boolean {
  return path.split(delimiter).some((directory) => isExecutable(join(directory, name)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function cgroupControllers(): string[] {
  const unified = '/sys/fs/cgroup/cgroup.controllers';
  if (existsSync(unified)) return readFileSync(unified, 'utf8').trim().split(' ');
  return CONTROLLERS.filter((name) => existsSync(join('/sys/fs/cgroup', name, 'cgroup.procs')));
}

/** One process tries all; its network namespace goes with it. */
async function failedProbes(): Promise<Record<string, string>> {
  const features = Object.keys(PROBES);
  const lines = features.map((feature, at) => `said=$(${PROBES[feature]!.command} 2>&1) || echo "${at} $said"`);
  try {
    const { stdout } = await run(['unshare', '--net', 'sh', '-c', lines.join('\n')]);
    const failed = stdout.matchAll(/^(\d+) (.*)$/gm);
    return Object.fromEntries([...failed].map(([, at, said]) => [features[Number(at)]!, said!]));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { 'network namespaces (CLONE_NEWNET)': error.stderr.trim() };
  }
}

/** Throws with everything that is missing, and how to get it; changes nothing. */
export async function preflight(options: { uid: number; path: string }): Promise<void> {
  const problems = problemsOfMachine(await inspectMachine(options));
  if (problems.length > 0)
    throw new Error(
      `This machine cannot run a cluster yet; nothing was changed.\n${problems.map((one) => `- ${one}`).join('\n')}`,
    );
}
