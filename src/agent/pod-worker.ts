import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { isConflict, isNotFound } from '../api/errors.ts';
import { pods } from '../api/kinds/pod.ts';
import { services } from '../api/kinds/service.ts';
import type { Pod } from '../api/types.ts';
import type { Informer } from '../client/informer.ts';
import type { Outcome } from '../client/reconcile.ts';
import { unmountBelow } from '../host/mounts.ts';
import { type Container, containerConfig } from './container-config.ts';
import type { PodSandbox } from './cri/types.ts';
import { ConfigError, containerEnvironment, linkedServices, serviceVariables } from './environment.ts';
import { runHook } from './hooks.ts';
import { ImagePuller } from './images.ts';
import { newest, type Observed, observePod, readySandbox } from './observe.ts';
import type { AgentOptions } from './options.ts';
import { PodSources } from './pod-sources.ts';
import { type Probed, type ProbeKind, Prober } from './probes.ts';
import { mustNotBeRoot, rootRefusal } from './resources.ts';
import { decide } from './restart.ts';
import { hostsFile, sandboxConfig } from './sandbox-config.ts';
import { podStatus, type Waiting } from './status.ts';
import { endContainer, type TerminateOptions, terminateContainers } from './terminate.ts';
import { prepareVolumes } from './volumes.ts';

/** What is remembered of a pod between two looks at it; all of it can be lost. */
interface Memory {
  readonly waiting: Map<string, Waiting>;
  readonly messages: Map<string, string>;
  podIp?: string;
}

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
  readonly #images: ImagePuller;
  readonly #memories = new Map<string, Memory>();
  /** Container id → key of its pod. */
  readonly #owners = new Map<string, string>();
  /** Uid → containers of a pod that is being ended. */
  readonly #ending = new Map<string, Observed>();
  /** Pod key → uids that may have something in the runtime. */
  readonly #known = new Map<string, Set<string>>();

  constructor(options: PodWorkerOptions) {
    this.#options = options;
    this.#pods = options.informers.of(pods, { fieldSelector: `spec.nodeName=${options.nodeName}` });
    this.#images = new ImagePuller(options);
    this.sources = new PodSources(options);
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
    return this.#sync(pod);
  }

  async #sync(pod: Pod): Promise<Outcome> {
    const memory = this.#memory(pod);
    const before = await observePod(this.#options.runtime, pod.metadata.uid!);
    // Users see that the node has taken the pod up while its sandbox is made.
    const early = pod.status?.startTime ? undefined : this.#writeStatus(pod, before);
    try {
      const again = await this.#bringUp(pod, before);
      return again === undefined ? undefined : { again };
    } finally {
      await early;
      const after = await observePod(this.#options.runtime, pod.metadata.uid!);
      this.#watchProbes(pod, after, memory.podIp ?? '');
      await this.#writeStatus(pod, after);
    }
  }

  async #bringUp(pod: Pod, observed: Observed): Promise<number | undefined> {
    const memory = this.#memory(pod);
    const volumes = await this.#prepareVolumes(pod);
    const ready = readySandbox(observed);
    if (!ready) observed = await this.#retireSandboxes(pod, observed);
    const sandbox = ready ?? (await this.#runSandbox(pod, observed));
    this.#owners.set(sandbox.id, keyOf(pod));
    memory.podIp ??= await this.#podIp(pod, sandbox);
    const hostsPath = await this.#writeHosts(pod, memory.podIp);
    return this.#startContainers(pod, { sandbox, observed, volumes, hostsPath });
  }

  async #prepareVolumes(pod: Pod): Promise<Map<string, string>> {
    try {
      return await prepareVolumes(pod, join(this.#podDir(pod.metadata.uid!), 'volumes'), this.sources.volumes(pod));
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
    const config = sandboxConfig(pod, { ...this.#options, attempt, logDirectory: this.#logDir(pod) });
    await mkdir(config.log_directory, { recursive: true });
    this.#memory(pod).podIp = undefined;
    try {
      await runtime.runPodSandbox(config);
    } catch (error) {
      const message = `Failed to create pod sandbox: ${(error as Error).message}`;
      recorder.record(pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message });
      throw error;
    }
    return readySandbox(await observePod(runtime, pod.metadata.uid!))!;
  }

  async #podIp(pod: Pod, sandbox: PodSandbox): Promise<string> {
    if (pod.spec!.hostNetwork) return this.#options.nodeIp;
    return (await this.#options.runtime.podSandboxStatus(sandbox.id)).network?.ip ?? '';
  }

  async #writeHosts(pod: Pod, podIp: string): Promise<string | undefined> {
    if (pod.spec!.hostNetwork) return undefined;
    const path = join(this.#podDir(pod.metadata.uid!), 'hosts');
    await mkdir(this.#podDir(pod.metadata.uid!), { recursive: true });
    await writeFile(path, hostsFile(pod, podIp));
    return path;
  }

  /** Starts what should run now; answers when to look again, in ms. */
  async #startContainers(pod: Pod, place: Place): Promise<number | undefined> {
    const memory = this.#memory(pod);
    for (const container of pod.spec!.initContainers ?? []) {
      const status = newest(place.observed, container.name);
      if (status?.state === 'CONTAINER_EXITED' && status.exit_code === 0) continue;
      return this.#startOne(pod, container, { ...place, memory, init: true });
    }
    const waits = await Promise.all(
      pod.spec!.containers.map((container) => this.#startOne(pod, container, { ...place, memory, init: false })),
    );
    const due = waits.filter((wait) => wait !== undefined);
    return due.length > 0 ? Math.min(...due) : undefined;
  }

  async #startOne(
    pod: Pod,
    container: Container,
    at: Place & { memory: Memory; init: boolean },
  ): Promise<number | undefined> {
    const { memory, observed, init } = at;
    const status = newest(observed, container.name);
    const decision = decide({ status, restartPolicy: pod.spec!.restartPolicy, init, now: this.#options.clock.now() });
    if (decision.action === 'keep') {
      if (decision.clear) memory.waiting.delete(container.name);
      return undefined;
    }
    if (decision.action === 'wait') {
      const message = `back-off ${decision.spanSeconds}s restarting failed container=${container.name} pod=${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
      if (memory.waiting.get(container.name)?.reason !== 'CrashLoopBackOff') {
        this.#record(pod, container, {
          type: 'Warning',
          reason: 'BackOff',
          message: `Back-off restarting failed container ${container.name} in pod ${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`,
        });
      }
      memory.waiting.set(container.name, { reason: 'CrashLoopBackOff', message });
      return decision.delayMs;
    }
    return this.#create(pod, container, { ...at, attempt: decision.attempt });
  }

  async #create(
    pod: Pod,
    container: Container,
    at: Place & { memory: Memory; attempt: number },
  ): Promise<number | undefined> {
    const { memory } = at;
    const image = await this.#images.ensure(pod, container);
    if (!image.ready) {
      memory.waiting.set(container.name, image.waiting);
      return image.againMs;
    }
    try {
      await this.#run(pod, container, { ...at, image: image.ref });
      memory.waiting.delete(container.name);
      return undefined;
    } catch (error) {
      const reason = error instanceof ConfigError ? 'CreateContainerConfigError' : 'CreateContainerError';
      const message = (error as Error).message;
      this.#record(pod, container, { type: 'Warning', reason: 'Failed', message: `Error: ${message}` });
      memory.waiting.set(container.name, { reason, message });
      return CONFIG_RETRY_MS;
    }
  }

  async #run(pod: Pod, container: Container, at: Place & { attempt: number; image: string }): Promise<void> {
    const { runtime, informers } = this.#options;
    await this.#refuseRoot(pod, container, at.image);
    const linked = serviceVariables(linkedServices(informers.of(services).list(), pod));
    const withIp = { ...pod, status: { ...pod.status, podIP: this.#memory(pod).podIp } } as Pod;
    const env = containerEnvironment(container, linked, await this.sources.environment(withIp, container));
    const terminationPath = join(this.#podDir(pod.metadata.uid!), 'messages', `${container.name}-${at.attempt}`);
    await mkdir(join(terminationPath, '..'), { recursive: true });
    await writeFile(terminationPath, '', { flag: 'a' });
    const sandboxed = sandboxConfig(pod, {
      ...this.#options,
      attempt: at.sandbox.metadata.attempt,
      logDirectory: this.#logDir(pod),
    });
    const config = containerConfig(pod, container, { ...at, env, terminationPath });
    const id = await runtime.createContainer({ pod_sandbox_id: at.sandbox.id, config, sandbox_config: sandboxed });
    this.#owners.set(id, keyOf(pod));
    this.#record(pod, container, {
      type: 'Normal',
      reason: 'Created',
      message: `Created container: ${container.name}`,
    });
    await runtime.startContainer(id);
    this.#record(pod, container, { type: 'Normal', reason: 'Started', message: `Started container ${container.name}` });
    await this.#dropOld(at.observed, container.name);
    await this.#runPostStart(pod, container, id);
  }

  async #refuseRoot(pod: Pod, container: Container, image: string): Promise<void> {
    if (!mustNotBeRoot(pod, container)) return;
    const refusal = rootRefusal(pod, container, await this.#options.runtime.imageStatus(image));
    if (refusal !== undefined) throw new ConfigError(refusal);
  }

  /** A container whose postStart hook fails is ended, and restarted as its policy says. */
  async #runPostStart(pod: Pod, container: Container, id: string): Promise<void> {
    const hook = container.lifecycle?.postStart;
    if (!hook) return;
    const { runtime, log } = this.#options;
    try {
      const podIp = this.#memory(pod).podIp ?? '';
      await runHook(hook, { pod, container, id, podIp, timeoutSeconds: 0 }, this.#options);
    } catch (error) {
      log.warn('postStart hook failed', { pod: keyOf(pod), container: container.name, error });
      this.#record(pod, container, { type: 'Warning', reason: 'FailedPostStartHook', message: 'PostStartHook failed' });
      const message = 'FailedPostStartHook';
      this.#record(pod, container, { type: 'Normal', reason: 'Killing', message });
      await runtime.stopContainer(id, pod.spec!.terminationGracePeriodSeconds ?? 30);
    }
  }

  /** Keeps one ended container a name, for its logs and last state. */
  async #dropOld(observed: Observed, name: string): Promise<void> {
    const ended = observed.containers.filter((status) => status.metadata.name === name).slice(1);
    for (const status of ended) await this.#options.runtime.removeContainer(status.id);
  }

  #watchProbes(pod: Pod, observed: Observed, podIp: string): void {
    for (const container of pod.spec!.containers) {
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
    await terminateContainers(pod, observed, this.#terminateOptions(pod)).finally(() =>
      this.#ending.delete(pod.metadata.uid!),
    );
    const after = await observePod(runtime, pod.metadata.uid!);
    await this.#writeStatus(pod, after);
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
    await unmountBelow(this.#podDir(uid));
    await rm(this.#podDir(uid), { recursive: true, force: true });
    const [namespace, name] = key.split('/');
    await rm(join(this.#options.stateDir, 'logs', `${namespace}_${name}_${uid}`), { recursive: true, force: true });
    this.#memories.delete(uid);
    this.#known.get(key)?.delete(uid);
    if (this.#known.get(key)?.size === 0) this.#known.delete(key);
  }

  async #removeSandbox(id: string): Promise<void> {
    await this.#options.runtime.stopPodSandbox(id);
    await this.#options.runtime.removePodSandbox(id);
  }

  async #writeStatus(pod: Pod, observed: Observed): Promise<void> {
    const memory = this.#memory(pod);
    await this.#readMessages(pod, observed, memory);
    const status = podStatus(pod, {
      observed,
      podIp: memory.podIp,
      nodeIp: this.#options.nodeIp,
      now: this.#options.clock.now(),
      waiting: memory.waiting,
      ready: (container, id) => this.prober.isReady(container, id),
      started: (container, id) => this.prober.isStarted(container, id),
      message: (id) => memory.messages.get(id),
    });
    if (isDeepStrictEqual(JSON.parse(JSON.stringify(status)), pod.status)) return;
    const { name, namespace, uid } = pod.metadata;
    const body = { metadata: { uid }, status };
    try {
      await this.#options.client.patch(pods, { name, namespace }, { type: 'merge', body, subresource: 'status' });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  async #readMessages(pod: Pod, observed: Observed, memory: Memory): Promise<void> {
    const ended = observed.containers.filter(
      (status) => status.state === 'CONTAINER_EXITED' && !memory.messages.has(status.id),
    );
    for (const status of ended) {
      const { name, attempt } = status.metadata;
      const path = join(this.#podDir(pod.metadata.uid!), 'messages', `${name}-${attempt}`);
      memory.messages.set(status.id, await readFile(path, 'utf8').catch(() => ''));
    }
  }

  #record(
    pod: Pod,
    container: Container,
    event: { type: 'Normal' | 'Warning'; reason: string; message: string },
  ): void {
    this.#options.recorder.record(pod, { ...event, fieldPath: `spec.containers{${container.name}}` });
  }

  #memory(pod: Pod): Memory {
    const uid = pod.metadata.uid!;
    const memory = this.#memories.get(uid) ?? { waiting: new Map(), messages: new Map() };
    this.#memories.set(uid, memory);
    return memory;
  }

  #podDir(uid: string): string {
    return join(this.#options.stateDir, 'pods', uid);
  }

  #logDir(pod: Pod): string {
    return podLogDir(this.#options.stateDir, pod);
  }
}

interface Place {
  readonly sandbox: PodSandbox;
  readonly observed: Observed;
  readonly volumes: ReadonlyMap<string, string>;
  readonly hostsPath: string | undefined;
}

const DISCARD_GRACE_SECONDS = 2;
const CONFIG_RETRY_MS = 2000;

/** Directory of a pod's container logs. */
export function podLogDir(stateDir: string, pod: Pod): string {
  const { namespace, name, uid } = pod.metadata;
  return join(stateDir, 'logs', `${namespace}_${name}_${uid}`);
}

export function keyOf(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}
