import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { services } from '../api/kinds/service.ts';
import type { Pod } from '../api/types.ts';
import { type Container, containerConfig, ephemeralOf, isSidecar, sidecarsOf } from './container-config.ts';
import type { PodSandbox } from './cri/types.ts';
import { ConfigError, containerEnvironment, linkedServices, serviceVariables } from './environment.ts';
import { runHook } from './hooks.ts';
import { ImagePuller } from './images.ts';
import { newest, newestIn, type Observed } from './observe.ts';
import type { AgentOptions } from './options.ts';
import { keyOf, messagePath, type PodMemory, podLogDir } from './pod-memory.ts';
import type { PodSources } from './pod-sources.ts';
import { mustNotBeRoot, rootRefusal } from './resources.ts';
import { decide } from './restart.ts';
import { sandboxConfig } from './sandbox-config.ts';
import { prepareSubPaths } from './subpaths.ts';

/** Where a pod's containers are started. */
export interface Place {
  readonly sandbox: PodSandbox;
  readonly observed: Observed;
  readonly memory: PodMemory;
  readonly volumes: ReadonlyMap<string, string>;
  readonly hostsPath: string | undefined;
}

export interface ContainerStarterOptions extends AgentOptions {
  readonly sources: PodSources;
  /** Told before the container runs, so that its exit finds its pod. */
  readonly onCreated: (pod: Pod, id: string) => void;
  readonly isStarted: (container: Container, id: string) => boolean;
  /** Asks for another look at a pod. */
  readonly enqueue: (key: string) => void;
}

const CONFIG_RETRY_MS = 2000;

interface Attempt extends Place {
  readonly attempt: number;
  /** Of an ephemeral container. */
  readonly targetId?: string;
}

/** The container was made, but its process could not be started. */
class StartError extends Error {
  override name = 'StartError';
}

function reasonOf(error: unknown): string {
  if (error instanceof ConfigError) return 'CreateContainerConfigError';
  return error instanceof StartError ? 'RunContainerError' : 'CreateContainerError';
}

/** Starts the containers of pods as their restart policies say. */
export class ContainerStarter {
  readonly #options: ContainerStarterOptions;
  readonly #images: ImagePuller;

  constructor(options: ContainerStarterOptions) {
    this.#options = options;
    const credentials = (pod: Pod, image: string) => options.sources.credentials(pod, image);
    this.#images = new ImagePuller({ ...options, credentials });
  }

  /** Starts what should run now; answers when to look again, in ms. */
  async start(pod: Pod, place: Place): Promise<number | undefined> {
    const { observed, sandbox } = place;
    const begun = pod.spec!.containers.some(({ name }) => newestIn(observed, sandbox.id, name));
    if (!begun) {
      const next = (pod.spec!.initContainers ?? []).find((container) => !this.#isPast(container, place));
      if (next) return this.#startNext(pod, next, place);
    }
    const all = [...sidecarsOf(pod), ...pod.spec!.containers];
    const waits = await Promise.all([
      ...all.map((container) => this.#startOne(pod, container, { ...place, init: false })),
      ...ephemeralOf(pod).map((container) => this.#startEphemeral(pod, container, place)),
    ]);
    const due = waits.filter((wait) => wait !== undefined);
    return due.length > 0 ? Math.min(...due) : undefined;
  }

  /** What is no longer needed of a pod that is gone. */
  forget(uid: string): void {
    this.#images.forget(uid);
  }

  /** An ephemeral container runs once; with a target, among that container's processes. */
  async #startEphemeral(pod: Pod, container: Container, place: Place): Promise<number | undefined> {
    const { observed, memory } = place;
    if (newest(observed, container.name)) {
      memory.waiting.delete(container.name);
      return undefined;
    }
    const { targetContainerName } = container as { targetContainerName?: string };
    const target = targetContainerName ? newest(observed, targetContainerName) : undefined;
    if (targetContainerName && target?.state !== 'CONTAINER_RUNNING') {
      const message = `target container ${JSON.stringify(targetContainerName)} is not running`;
      memory.waiting.set(container.name, { reason: 'CreateContainerError', message });
      return CONFIG_RETRY_MS;
    }
    return this.#create(pod, container, { ...place, attempt: 0, targetId: target?.id });
  }

  /** An init container is past when it is done; a sidecar (KEP-753) when it has started. */
  #isPast(container: Container, { observed, sandbox }: Place): boolean {
    const status = newestIn(observed, sandbox.id, container.name);
    if (!isSidecar(container)) return status?.state === 'CONTAINER_EXITED' && status.exit_code === 0;
    return status?.state === 'CONTAINER_RUNNING' && this.#options.isStarted(container, status.id);
  }

  async #startNext(pod: Pod, container: Container, place: Place): Promise<number | undefined> {
    const status = newest(place.observed, container.name);
    const again = await this.#startOne(pod, container, { ...place, init: !isSidecar(container) });
    const startedNow = isSidecar(container) && status?.state !== 'CONTAINER_RUNNING';
    return again ?? (startedNow ? 0 : undefined);
  }

  async #startOne(pod: Pod, container: Container, at: Place & { init: boolean }): Promise<number | undefined> {
    const { memory, observed, init } = at;
    const status = newest(observed, container.name);
    const restartPolicy = isSidecar(container) ? 'Always' : pod.spec!.restartPolicy;
    const moved = status !== undefined && status.sandboxId !== at.sandbox.id;
    const decision = decide({ status, restartPolicy, init, moved, now: this.#options.clock.now() });
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

  async #create(pod: Pod, container: Container, at: Attempt): Promise<number | undefined> {
    const { memory } = at;
    const image = await this.#images.ensure(pod, container);
    if (!image.ready) {
      if (image.waiting) memory.waiting.set(container.name, image.waiting);
      return image.againMs;
    }
    try {
      await this.#run(pod, container, { ...at, image: image.ref });
      memory.waiting.delete(container.name);
      return undefined;
    } catch (error) {
      const reason = reasonOf(error);
      const message = (error as Error).message;
      this.#record(pod, container, { type: 'Warning', reason: 'Failed', message: `Error: ${message}` });
      memory.waiting.set(container.name, { reason, message });
      return CONFIG_RETRY_MS;
    }
  }

  async #run(pod: Pod, container: Container, at: Attempt & { image: string }): Promise<void> {
    const { runtime, informers } = this.#options;
    await this.#refuseRoot(pod, container, at.image);
    const linked = serviceVariables(linkedServices(informers.of(services).list(), pod));
    const withIp = { ...pod, status: { ...pod.status, podIP: at.memory.podIp } } as Pod;
    const env = containerEnvironment(container, linked, await this.#options.sources.environment(withIp, container));
    const place = { uid: pod.metadata.uid!, container: container.name, attempt: at.attempt };
    const terminationPath = messagePath(this.#options.stateDir, place);
    await mkdir(dirname(terminationPath), { recursive: true });
    await writeFile(terminationPath, '', { flag: 'a' });
    const sandboxed = sandboxConfig(pod, {
      ...this.#options,
      attempt: at.sandbox.metadata.attempt,
      logDirectory: podLogDir(this.#options.stateDir, pod),
    });
    const subPaths = await prepareSubPaths(container, { volumes: at.volumes, env });
    const config = containerConfig(pod, container, { ...at, env, terminationPath, subPaths });
    const id = await runtime.createContainer({ pod_sandbox_id: at.sandbox.id, config, sandbox_config: sandboxed });
    this.#options.onCreated(pod, id);
    this.#record(pod, container, {
      type: 'Normal',
      reason: 'Created',
      message: `Created container: ${container.name}`,
    });
    await runtime.startContainer(id).catch((error: Error) => {
      throw new StartError(error.message);
    });
    this.#record(pod, container, { type: 'Normal', reason: 'Started', message: `Started container ${container.name}` });
    await this.#dropOld(at.observed, container.name);
    await this.#runPostStart(pod, container, { id, podIp: at.memory.podIp ?? '' });
  }

  async #refuseRoot(pod: Pod, container: Container, image: string): Promise<void> {
    if (!mustNotBeRoot(pod, container)) return;
    const refusal = rootRefusal(pod, container, await this.#options.runtime.imageStatus(image));
    if (refusal !== undefined) throw new ConfigError(refusal);
  }

  /** A container whose postStart hook fails is ended, and restarted as its policy says. */
  async #runPostStart(pod: Pod, container: Container, at: { id: string; podIp: string }): Promise<void> {
    const hook = container.lifecycle?.postStart;
    if (!hook) return;
    const { runtime, log } = this.#options;
    try {
      await runHook(hook, { pod, container, ...at, timeoutSeconds: 0 }, this.#options);
    } catch (error) {
      log.warn('postStart hook failed', { pod: keyOf(pod), container: container.name, error });
      this.#record(pod, container, { type: 'Warning', reason: 'FailedPostStartHook', message: 'PostStartHook failed' });
      const message = 'FailedPostStartHook';
      this.#record(pod, container, { type: 'Normal', reason: 'Killing', message });
      await runtime.stopContainer(at.id, pod.spec!.terminationGracePeriodSeconds ?? 30);
    }
  }

  /** Keeps one ended container a name, for its logs and last state. */
  async #dropOld(observed: Observed, name: string): Promise<void> {
    const ended = observed.containers.filter((status) => status.metadata.name === name).slice(1);
    for (const status of ended) await this.#options.runtime.removeContainer(status.id);
  }

  #record(
    pod: Pod,
    container: Container,
    event: { type: 'Normal' | 'Warning'; reason: string; message: string },
  ): void {
    this.#options.recorder.record(pod, { ...event, fieldPath: `spec.containers{${container.name}}` });
  }
}
