import { mkdir, rename, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { isAlreadyExists, isNotFound } from '../api/errors.ts';
import { leases } from '../api/kinds/lease.ts';
import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import { createBackoff } from '../lib/backoff.ts';
import { microTimestamp, sleep } from '../lib/clock.ts';
import { renderCniConfig } from './containerd-config.ts';
import { nodeConditions, readDiskRoom } from './node-conditions.ts';
import type { AgentOptions } from './options.ts';

const LEASE_SECONDS = 40;
const RENEW_MS = 10_000;
const NODE_LEASES = 'kube-node-lease';
const VERSION = 'v1.35.0';

/** Registers this node; resolves with its pod CIDRs once a controller has given it them. */
export async function registerNode(options: AgentOptions, osImage: string): Promise<string[]> {
  await retry(options, async () => {
    const runtime = await options.runtime.version();
    const wanted = nodeObject(options, { osImage, runtime: `${runtime.name}://${runtime.version}` });
    await options.client.create(nodes, wanted).catch(ignoreExists);
    const { conditions: _, ...status } = wanted.status!;
    await options.client.patch(
      nodes,
      { name: options.nodeName },
      { type: 'merge', body: { status }, subresource: 'status' },
    );
  });
  return podCidrOf(options);
}

type NewNode = Omit<Node, 'apiVersion' | 'kind'>;

function nodeObject(options: AgentOptions, facts: { osImage: string; runtime: string }): NewNode {
  const { nodeName, nodeIp, nodeIpv6 } = options;
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const labels = { 'kubernetes.io/hostname': nodeName, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': arch };
  const memory = `${Math.floor(totalmem() / 1024)}Ki`;
  const capacity = { cpu: String(cpus().length), memory, pods: '110', 'ephemeral-storage': '10Gi' };
  return {
    metadata: {
      name: nodeName,
      labels: { 'beta.kubernetes.io/os': 'linux', 'beta.kubernetes.io/arch': arch, ...labels },
    },
    spec: {},
    status: {
      capacity,
      allocatable: capacity,
      addresses: [
        { type: 'InternalIP', address: nodeIp },
        ...(nodeIpv6 ? [{ type: 'InternalIP', address: nodeIpv6 }] : []),
        { type: 'Hostname', address: nodeName },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      nodeInfo: {
        machineID: '',
        systemUUID: '',
        bootID: '',
        kernelVersion: release(),
        osImage: facts.osImage,
        containerRuntimeVersion: facts.runtime,
        kubeletVersion: VERSION,
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: arch,
      },
    },
  };
}

function ignoreExists(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}

async function retry(options: AgentOptions, action: () => Promise<void>): Promise<void> {
  const backoff = createBackoff({ firstMs: 50, maxMs: 2000, random: options.random });
  for (;;) {
    try {
      return await action();
    } catch (error) {
      options.signal.throwIfAborted();
      options.log.warn('node was not registered yet', { error });
      await sleep(options.clock, backoff.next(), options.signal);
    }
  }
}

function podCidrOf({ informers, nodeName, signal }: AgentOptions): Promise<string[]> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    const stop = informers.of(nodes).subscribe((change) => {
      const { metadata, spec } = change.object;
      if (change.type === 'deleted' || metadata.name !== nodeName || !spec?.podCIDR) return;
      resolve(spec.podCIDRs ?? [spec.podCIDR]);
      queueMicrotask(() => stop());
    });
  });
}

/** Writes the pod network's configuration, whole or not at all; resolves when the runtime has taken it up. */
export async function writeCniConfig(options: AgentOptions, podCidrs: readonly string[]): Promise<void> {
  await mkdir(options.cniConfDir, { recursive: true });
  const aside = join(options.cniConfDir, '.10-sampan.tmp');
  await writeFile(aside, renderCniConfig(podCidrs, join(options.stateDir, 'ipam')));
  await rename(aside, join(options.cniConfDir, '10-sampan.conflist'));
  await networkReady(options);
}

async function networkReady({ runtime, clock, random, log, signal }: AgentOptions): Promise<void> {
  const backoff = createBackoff({ firstMs: 5, maxMs: 2000, random });
  for (let tries = 1; ; tries++) {
    const problem = await runtime.networkProblem().catch((error: Error) => error.message);
    if (problem === undefined) return;
    if (tries % 10 === 0) log.warn('pod network is not ready yet', { problem });
    await sleep(clock, backoff.next(), signal);
  }
}

/** Says that the node is alive, every ten seconds and at once when it is ready. */
export async function reportReady(options: AgentOptions): Promise<void> {
  await mkdir(options.stateDir, { recursive: true });
  await patchConditions(options);
  void renewLease(options);
}

async function patchConditions(options: AgentOptions): Promise<void> {
  const { client, clock, nodeName } = options;
  const known = knownConditions(options);
  const conditions = nodeConditions(await readDiskRoom(options.stateDir), { known, now: clock.now() });
  const request = { type: 'strategic' as const, body: { status: { conditions } }, subresource: 'status' as const };
  await retry(options, async () => void (await client.patch(nodes, { name: nodeName }, request)));
  const changed = conditions.find(({ type, status }) => type === 'DiskPressure' && isChanged(known, type, status));
  const node = options.informers.of(nodes).get(nodeName);
  if (!changed || !node) return;
  const reason = changed.status === 'True' ? 'NodeHasDiskPressure' : 'NodeHasNoDiskPressure';
  options.recorder.record(node, { type: 'Normal', reason, message: `Node ${nodeName} status is now: ${reason}` });
}

function knownConditions({ informers, nodeName }: AgentOptions) {
  return informers.of(nodes).get(nodeName)?.status?.conditions ?? [];
}

function isChanged(known: readonly { type: string; status: string }[], type: string, status: string): boolean {
  const before = known.find((condition) => condition.type === type)?.status;
  return before === undefined ? status === 'True' : before !== status;
}

async function renewLease(options: AgentOptions): Promise<void> {
  const { client, clock, nodeName, signal, log } = options;
  const key = { name: nodeName, namespace: NODE_LEASES };
  while (!signal.aborted) {
    const spec = {
      holderIdentity: nodeName,
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: microTimestamp(clock.now()),
    };
    try {
      await client.patch(leases, key, { type: 'merge', body: { spec } }).catch(async (error: unknown) => {
        if (!isNotFound(error)) throw error;
        await client.create(leases, { metadata: { ...key }, spec });
      });
      await reviveIfChanged(options);
    } catch (error) {
      if (!signal.aborted) log.warn('lease was not renewed', { error });
    }
    await sleep(clock, RENEW_MS, signal).catch(() => {});
  }
}

/** The disk has filled up or has room again, or a controller that missed our leases has marked the node: we say how it is. */
async function reviveIfChanged(options: AgentOptions): Promise<void> {
  const known = knownConditions(options);
  if (known.length === 0) return;
  const wanted = nodeConditions(await readDiskRoom(options.stateDir), { known, now: options.clock.now() });
  if (wanted.some(({ type, status }) => isChanged(known, type, status))) await patchConditions(options);
}
