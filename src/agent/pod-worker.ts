import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isConflict, isNotFound } from '../api/errors.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Pod } from '../api/types.ts';
import type { Informer } from '../client/informer.ts';
import type { Outcome } from '../client/reconcile.ts';
import { unmountBelow } from '../host/mounts.ts';
import { type Container, sidecarsOf } from './container-config.ts';
import { ContainerStarter } from './containers.ts';
import type { PodSandbox } from './cri/types.ts';
import { newest, type Observed, observePod, readySandbox } from './observe.ts';
import type { AgentOptions } from './options.ts';
import { setPodCgroup } from './pod-cgroup.ts';
import { checkLimits } from './pod-limits.ts';
import { keyOf, type PodMemory, podDir, podLogDir } from './pod-memory.ts';
import { PodSources } from './pod-sources.ts';
import { type Probed, type ProbeKind, Prober } from './probes.ts';
import { deservesSandbox } from './restart.ts';
import { hostNetworkHostsFile, hostsFile, sandboxConfig } from './sandbox-config.ts';
import type { Failure } from './status.ts';
import { StatusWriter } from './status-writer.ts';
import { endContainer, type TerminateOptions, terminateContainers } from './terminate.ts';
import { untilUnrouted } from './unrouted.ts';
import { prepareVolumes } from './volumes.ts';

export interface PodWorkerOptions extends AgentOptions {
  /** Asks for another look at a pod. */
  enqueue: (key: string) => void;
}

/** Brings the pods of this node into their desired state, one at a time each. */
export class PodWorker {
  readonly prober: Prober;
  readonly sources: PodSources;
  readonly #options: PodWorkerOptions;
  readonly #pods: Informer<Pod>;
  readonly #starter: ContainerStarter;
  readonly #statuses: StatusWriter;
  readonly #memories = new Map<string, PodMemory>();
  /** Container id → key of its pod. */
  readonly #owners = new Map<string, string>();
  /** Uid → containers of a pod that is being ended. */
  readonly #ending = new Map<string, Observed>();
  /** Pod key → uids that may have something in the runtime. */
  readonly #known = new Map<string, Set<string>>();

  constructor(options: PodWorkerOptions) {
    this.#options = options;
    this.#pods = options.informers.of(pods, { fieldSelector: `spec.nodeName=${options.nodeName}` });
    this.sources = new PodSources(options);
    this.#starter = new ContainerStarter({
      ...options,
      sources: this.sources,
      onCreated: (pod, id) => this.#owners.set(id, keyOf(pod)),
      isStarted: (container, id) => this.prober.isStarted(container, id),
    });
    this.prober = new Prober({
      ...options,
      onChange: (pod) => options.enqueue(keyOf(pod)),
      onUnhealthy: ({ pod, container }, kind, message) =>
        options.recorder.record(pod, {
          type: 'Warning',
          reason: 'Unhealthy',
          message: `${kind[0]!.toUpperCase()}${kind.slice(1)} probe failed: ${message}`,
          fieldPath: `spec.containers{${container.name}}`,
        }),
      onFatal: (probed, kind) => void this.#killUnhealthy(probed, kind),
    });
    this.#statuses = new StatusWriter({ ...options, prober: this.prober });
  }

  ownerOf(containerId: string): string | undefined {
    return this.#owners.get(containerId);
  }

  /** Told what the runtime had when the agent started. */
  adopt(uid: string, key: string): void {
    this.#known.set(key, (this.#known.get(key) ?? new Set()).add(uid));
  }

  async reconcile(key: string): Promise<Outcome> {
    const [namespace, name] = key.split('/') as [string, string];
    const pod = this.#pods.get(name, namespace);
    for (const uid of this.#known.get(key) ?? []) if (uid !== pod?.metadata.uid) await this.#discard(key, uid);
    if (!pod) return;
    this.adopt(pod.metadata.uid!, key);
    if (pod.metadata.deletionTimestamp) return this.#terminate(pod);
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return this.#finish(pod);
    const limit = await checkLimits(pod, { ...this.#options, now: this.#options.clock.now() });
    return 'failure' in limit ? this.#fail(pod, limit.failure) : this.#sync(pod, limit.againMs);
  }

  /** Ends a pod that may not go on. */
  async #fail(pod: Pod, failure: Failure): Promise<void> {
    const { runtime, recorder } = this.#options;
    recorder.record(pod, { type: 'Warning', ...failure });
    const memory = this.#memory(pod);
    memory.failure = failure;
    await terminateContainers(pod, await observePod(runtime, pod.metadata.uid!), this.#terminateOptions(pod));
    await this.#statuses.write(pod, await observePod(runtime, pod.metadata.uid!), memory);
  }

  async #sync(pod: Pod, limitMs: number | undefined): Promise<Outcome> {
    const memory = this.#memory(pod);
    const before = await observePod(this.#options.runtime, pod.metadata.uid!);
    // Users see that the node has taken the pod up while its sandbox is made.
    const early = pod.status?.startTime ? undefined : this.#statuses.write(pod, before, memory);
    try {
      const renewMs = () => this.sources.renewalOf(pod) ?? Number.POSITIVE_INFINITY;
      const wait = (await this.#bringUp(pod, before)) ?? Number.POSITIVE_INFINITY;
      const again = Math.min(wait, limitMs ?? Number.POSITIVE_INFINITY, renewMs() - this.#options.clock.now());
      return again === Number.POSITIVE_INFINITY ? undefined : { again: Math.max(0, again) };
    } finally {
      await early;
      const after = await observePod(this.#options.runtime, pod.metadata.uid!);
      this.#watchProbes(pod, after, memory.podIp ?? '');
      await this.#statuses.write(pod, after, memory);
    }
  }

  async #bringUp(pod: Pod, observed: Observed): Promise<number | undefined> {
    const memory = this.#memory(pod);
    const volumes = await this.#prepareVolumes(pod);
    const ready = readySandbox(observed);
    if (!ready) observed = await this.#retireSandboxes(pod, observed);
    if (!ready && !deservesSandbox(pod, observed)) return undefined;
    const sandbox = ready ?? (await this.#runSandbox(pod, observed));
    this.#owners.set(sandbox.id, keyOf(pod));
    if (memory.podIp === undefined) [memory.podIp = '', ...memory.morePodIps] = await this.#podIps(pod, sandbox);
    const hostsPath = await this.#writeHosts(pod, memory.podIp);
    return this.#starter.start(pod, { sandbox, observed, memory, volumes, hostsPath });
  }

  async #prepareVolumes(pod: Pod): Promise<Map<string, string>> {
    try {
      return await prepareVolumes(
        pod,
        join(podDir(this.#options.stateDir, pod.metadata.uid!), 'volumes'),
        this.sources.volumes(pod),
      );
    } catch (error) {
      const message = (error as Error).message;
      this.#options.recorder.record(pod, { type: 'Warning', reason: 'FailedMount', message });
      throw error;
    }
  }

  /** Ends what is left in a sandbox that has died; the records of its containers stay, for their number of restarts. */
  async #retireSandboxes(pod: Pod, observed: Observed): Promise<Observed> {
    const [last, ...older] = observed.sandboxes;
    if (!last) return observed;
    await this.#options.runtime.stopPodSandbox(last.id);
    for (const { id } of older) await this.#removeSandbox(id);
    return observePod(this.#options.runtime, pod.metadata.uid!);
  }

  async #runSandbox(pod: Pod, observed: Observed): Promise<PodSandbox> {
    const { runtime, recorder } = this.#options;
    const attempt = (observed.sandboxes[0]?.metadata.attempt ?? -1) + 1;
    this.#memory(pod).podIp = undefined;
    try {
      const logDirectory = podLogDir(this.#options.stateDir, pod);
      const config = sandboxConfig(pod, { ...this.#options, attempt, logDirectory });
      await mkdir(logDirectory, { recursive: true });
      await runtime.runPodSandbox(config);
    } catch (error) {
      const message = `Failed to create pod sandbox: ${(error as Error).message}`;
      recorder.record(pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message });
      throw error;
    }
    await setPodCgroup(pod, this.#options);
    return readySandbox(await observePod(runtime, pod.metadata.uid!))!;
  }

  /** The primary family's first. */
  async #podIps(pod: Pod, sandbox: PodSandbox): Promise<string[]> {
    const { nodeIp, nodeIpv6, runtime } = this.#options;
    if (pod.spec!.hostNetwork) return [nodeIp, ...(nodeIpv6 ? [nodeIpv6] : [])];
    const { network } = await runtime.podSandboxStatus(sandbox.id);
    return network ? [network.ip, ...(network.additional_ips ?? []).map(({ ip }) => ip)] : [];
  }

  async #writeHosts(pod: Pod, podIp: string): Promise<string> {
    const path = join(podDir(this.#options.stateDir, pod.metadata.uid!), 'hosts');
    await mkdir(podDir(this.#options.stateDir, pod.metadata.uid!), { recursive: true });
    const text = pod.spec!.hostNetwork
      ? hostNetworkHostsFile(pod, await readFile('/etc/hosts', 'utf8').catch(() => ''))
      : hostsFile(pod, { podIp, clusterDomain: this.#options.clusterDomain });
    await writeFile(path, text);
    return path;
  }

  #watchProbes(pod: Pod, observed: Observed, podIp: string): void {
    for (const container of [...sidecarsOf(pod), ...pod.spec!.containers]) {
      const status = newest(observed, container.name);
      if (status?.state !== 'CONTAINER_RUNNING') continue;
      this.#owners.set(status.id, keyOf(pod));
      this.prober.watch({ pod, container, id: status.id, podIp });
    }
    const dead = new Set(
      observed.containers.filter((status) => status.state !== 'CONTAINER_RUNNING').map((status) => status.id),
    );
    this.prober.forget((id) => !dead.has(id));
  }

  async #killUnhealthy({ pod, container, id }: Probed, kind: ProbeKind): Promise<void> {
    const message = `Container ${container.name} failed ${kind} probe, will be restarted`;
    this.#record(pod, container, { type: 'Normal', reason: 'Killing', message });
    const probe = kind === 'startup' ? container.startupProbe : container.livenessProbe;
    const graceSeconds = probe?.terminationGracePeriodSeconds ?? pod.spec!.terminationGracePeriodSeconds ?? 30;
    await endContainer({ pod, container, id, graceSeconds }, this.#terminateOptions(pod)).catch((error: unknown) =>
      this.#options.log.warn('stop failed', { id, error }),
    );
    this.#options.enqueue(keyOf(pod));
  }

  #terminateOptions(pod: Pod): TerminateOptions {
    return { ...this.#options, record: (container, event) => this.#record(pod, container, event) };
  }

  /** A pod that is ending has less time than it had, or none. */
  hurry(pod: Pod, graceSeconds: number): void {
    const { runtime, log } = this.#options;
    for (const { id, state } of this.#ending.get(pod.metadata.uid!)?.containers ?? []) {
      if (state !== 'CONTAINER_RUNNING') continue;
      runtime.stopContainer(id, graceSeconds).catch((error: unknown) => log.warn('stop failed', { id, error }));
    }
  }

  async #terminate(pod: Pod): Promise<void> {
    const { runtime, client } = this.#options;
    const observed = await observePod(runtime, pod.metadata.uid!);
    this.#ending.set(pod.metadata.uid!, observed);
    const unrouted = untilUnrouted(pod, this.#options);
    await terminateContainers(pod, observed, { ...this.#terminateOptions(pod), unrouted }).finally(() =>
      this.#ending.delete(pod.metadata.uid!),
    );
    const after = await observePod(runtime, pod.metadata.uid!);
    // A second look, while finalizers hold the pod, finds nothing to tell.
    if (after.containers.length > 0) await this.#statuses.write(pod, after, this.#memory(pod));
    await this.#discard(keyOf(pod), pod.metadata.uid!);
    const { name, namespace, uid } = pod.metadata;
    try {
      await client.delete(pods, { name, namespace }, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  /** A pod whose work is done keeps its containers' records, not its network. */
  async #finish(pod: Pod): Promise<void> {
    const observed = await observePod(this.#options.runtime, pod.metadata.uid!);
    const sandbox = readySandbox(observed);
    if (sandbox) await this.#options.runtime.stopPodSandbox(sandbox.id);
  }

  /** Removes everything that this node has of a pod. */
  async #discard(key: string, uid: string): Promise<void> {
    const { runtime } = this.#options;
    const observed = await observePod(runtime, uid);
    const running = observed.containers.filter((status) => status.state === 'CONTAINER_RUNNING');
    await Promise.all(running.map((status) => runtime.stopContainer(status.id, DISCARD_GRACE_SECONDS)));
    for (const sandbox of observed.sandboxes) await this.#removeSandbox(sandbox.id);
    for (const { id } of [...observed.containers, ...observed.sandboxes]) this.#owners.delete(id);
    const ids = new Set(observed.containers.map((status) => status.id));
    this.prober.forget((id) => !ids.has(id));
    await unmountBelow(podDir(this.#options.stateDir, uid));
    await rm(podDir(this.#options.stateDir, uid), { recursive: true, force: true });
    const [namespace, name] = key.split('/');
    await rm(join(this.#options.stateDir, 'logs', `${namespace}_${name}_${uid}`), { recursive: true, force: true });
    this.#memories.delete(uid);
    this.#starter.forget(uid);
    this.sources.forget(uid);
    this.#known.get(key)?.delete(uid);
    if (this.#known.get(key)?.size === 0) this.#known.delete(key);
  }

  async #removeSandbox(id: string): Promise<void> {
    await this.#options.runtime.stopPodSandbox(id);
    await this.#options.runtime.removePodSandbox(id);
  }

  #record(
    pod: Pod,
    container: Container,
    event: { type: 'Normal' | 'Warning'; reason: string; message: string },
  ): void {
    this.#options.recorder.record(pod, { ...event, fieldPath: `spec.containers{${container.name}}` });
  }

  #memory(pod: Pod): PodMemory {
    const uid = pod.metadata.uid!;
    const memory = this.#memories.get(uid) ?? { waiting: new Map(), messages: new Map() };
    this.#memories.set(uid, memory);
    return memory;
  }
}

const DISCARD_GRACE_SECONDS = 2;
