import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nodes as nodeKind } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import { netnsPath } from '../host/netns.ts';
import { type Clock, sleep, timestamp } from '../lib/clock.ts';
import { type Administrator, connect } from './connect.ts';
import { containerdReady, type RenderContainerdConfig, startContainerd } from './containerd.ts';
import { startFakeNodes } from './fake-nodes.ts';
import { type BuiltImage, buildImages, cachedImages } from './images/build.ts';
import { imageCatalog } from './images/catalog.ts';
import { withImagesLock } from './images/lock.ts';
import type { OciArchitecture } from './images/oci.ts';
import { ensureSeed, plantSeed } from './images/seed.ts';
import { withLock } from './lock.ts';
import { applyNetwork } from './network.ts';
import { applyPki } from './pki-files.ts';
import type { ClusterPlan, NodePlan } from './plan.ts';
import { listenForChild, logTail, runningProcess, startProcess, waitFor } from './processes.ts';
import { agentConfig, serverConfig } from './program-config.ts';
import { writeRecord } from './record.ts';

/** What starting and stopping needs of the outside. */
export interface LocalContext {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Says what takes long. */
  readonly report: (message: string) => void;
  readonly ownPid: number;
}

export interface UpOptions extends LocalContext {
  readonly plan: ClusterPlan;
  readonly imagesDir: string;
  readonly architecture: OciArchitecture;
  readonly renderContainerdConfig: RenderContainerdConfig;
  /** Command line of a Sampan program, but its name and flags. */
  readonly program: readonly [string, ...string[]];
  /** Throws when the machine lacks something; changes nothing. */
  readonly preflight: () => Promise<void>;
}

/** Starts what does not run of a cluster, and resolves when all its nodes are ready. */
export async function up(options: UpOptions): Promise<void> {
  await options.preflight();
  const { plan } = options;
  const busy = `cluster ${plan.name} is being started or stopped`;
  await withLock({ file: join(plan.directories.run, 'lock'), ownPid: options.ownPid, busy }, async () => {
    writeRecord(plan);
    const network = applyNetwork(plan);
    // Keys and certificates are computed here while the kernel makes the network.
    applyPki(plan, options.clock);
    const administrator = connect(plan, options.clock);
    const startedAt = options.clock.now();
    const [, started] = await Promise.all([
      network.then(() => startServer(options)).then(() => serverReady(options, administrator)),
      network.then(() => startNodes(options)),
    ]);
    await startFakeNodes(options, administrator);
    await nodesReady({ options, administrator, started, startedAt });
  });
}

async function startServer({ plan, program }: UpOptions): Promise<void> {
  if (runningProcess(plan.server)) return;
  const socket = await listenForChild(plan.port);
  // The server runs in the LAN's namespace, and listens for Services in this one.
  const netns = openSync('/proc/self/ns/net', 'r');
  try {
    writeConfig(
      plan.server.configFile,
      serverConfig(plan, { listenFd: FIRST_INHERITED_FD, netnsFd: FIRST_INHERITED_FD + 1 }),
    );
    startProcess(plan.server, {
      command: [...program, 'server', '--config', plan.server.configFile],
      netns: netnsPath(plan.lan.netns),
      inherit: [socket.fd, netns],
    });
  } finally {
    socket.close();
    closeSync(netns);
  }
}

/** After standard input, output and error. */
const FIRST_INHERITED_FD = 3;

const READY_TIMEOUT_MS = 60_000;

function serverReady({ plan, clock, signal }: UpOptions, administrator: Administrator): Promise<void> {
  return waitFor({
    what: 'API server',
    check: () => administrator.serverReady(),
    process: plan.server,
    timeoutMs: READY_TIMEOUT_MS,
    clock,
    signal,
  });
}

/** Resolves with the nodes whose agent was started. */
async function startNodes(options: UpOptions): Promise<Set<NodePlan>> {
  await plantImages(options);
  const started = new Set<NodePlan>();
  await Promise.all(
    options.plan.nodes.map(async (node) => {
      startContainerd(node, options.renderContainerdConfig);
      await containerdReady(node, options);
      if (startAgent(options, node)) started.add(node);
    }),
  );
  return started;
}

/** New nodes begin with all images of the cache. */
async function plantImages(options: UpOptions): Promise<void> {
  const fresh = options.plan.nodes.filter((node) => !existsSync(node.containerd.root));
  if (fresh.length === 0) return;
  await withImagesLock({ ...options, directory: options.imagesDir }, async () => {
    const images = await startImages(options);
    const seed = await ensureSeed({ ...options, directory: options.imagesDir, images });
    await Promise.all(fresh.map((node) => plantSeed(seed, node.containerd.root)));
  });
}

/** All images of the cache; the one that every pod needs is built when it is not there. */
async function startImages(options: UpOptions): Promise<BuiltImage[]> {
  const [pause] = imageCatalog;
  const cached = cachedImages(options.imagesDir);
  if (cached.some((image) => image.names.includes(pause!.names[0]!))) return cached;
  await buildImages([pause!], { ...options, directory: options.imagesDir });
  return cachedImages(options.imagesDir);
}

function startAgent({ plan, program }: UpOptions, node: NodePlan): boolean {
  if (runningProcess(node.agent)) return false;
  mkdirSync(node.agent.stateDir, { recursive: true, mode: 0o711 });
  writeConfig(node.agent.configFile, agentConfig(plan, node));
  return startProcess(node.agent, {
    command: [...program, 'agent', '--config', node.agent.configFile],
    netns: netnsPath(node.netns),
  });
}

function writeConfig(file: string, config: object): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
  writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}

const POLL_MS = 15;

interface NodesReady {
  options: UpOptions;
  administrator: Administrator;
  /** Nodes that may only be called ready on word from after `startedAt`. */
  started: ReadonlySet<NodePlan>;
  startedAt: number;
}

async function nodesReady({ options, administrator, started, startedAt }: NodesReady): Promise<void> {
  const { plan, clock, signal } = options;
  const deadline = clock.now() + READY_TIMEOUT_MS;
  // Kubernetes' times are whole seconds.
  const since = timestamp(startedAt);
  for (;;) {
    const { items } = await administrator.client.list(nodeKind);
    const heard = new Map(items.map((item) => [item.metadata.name, readySince(item)]));
    const waiting = plan.nodes.filter((node) => (heard.get(node.name) ?? '') < (started.has(node) ? since : '0'));
    if (waiting.length === 0) return;
    const dead = waiting.find((node) => !runningProcess(node.agent));
    if (dead) throw new Error(`agent of ${dead.name}: the process ended\n${logTail(dead.agent.logFile)}`);
    if (clock.now() > deadline)
      throw new Error(`${waiting[0]!.name} is not ready\n${logTail(waiting[0]!.agent.logFile)}`);
    await sleep(clock, POLL_MS, signal);
  }
}

/** When a node was last heard to be ready; undefined when it is not. */
function readySince(node: Node): string | undefined {
  const condition = node.status?.conditions?.find((one) => one.type === 'Ready');
  return condition?.status === 'True' ? (condition.lastHeartbeatTime ?? '0') : undefined;
}
