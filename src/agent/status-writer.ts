import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { isConflict, isNotFound } from '../api/errors.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Pod } from '../api/types.ts';
import { allContainers, type Container } from './container-config.ts';
import type { ContainerStatus } from './cri/types.ts';
import type { Observed } from './observe.ts';
import type { AgentOptions } from './options.ts';
import { messagePath, type PodMemory, podLogDir } from './pod-memory.ts';
import type { Prober } from './probes.ts';
import { readLog } from './server/logs.ts';
import { type PodStatus, podStatus } from './status.ts';

/** Tells the API what the pods of this node are like. */
export class StatusWriter {
  readonly #options: AgentOptions & { readonly prober: Prober };

  constructor(options: AgentOptions & { readonly prober: Prober }) {
    this.#options = options;
  }

  /** Writes the pod's status if it is not the one that is known. */
  async write(pod: Pod, observed: Observed, memory: PodMemory): Promise<void> {
    await this.#readMessages(pod, observed, memory);
    const status = podStatus(pod, {
      observed,
      podIp: memory.podIp,
      morePodIps: memory.morePodIps,
      nodeIp: this.#options.nodeIp,
      nodeIpv6: this.#options.nodeIpv6,
      now: this.#options.clock.now(),
      waiting: memory.waiting,
      ready: (container, id) => this.#options.prober.isReady(container, id),
      started: (container, id) => this.#options.prober.isStarted(container, id),
      message: (id) => memory.messages.get(id),
      ...(memory.failure ? { failure: memory.failure } : {}),
    });
    if (isDeepStrictEqual(JSON.parse(JSON.stringify(status)), pod.status)) return;
    const { name, namespace, uid } = pod.metadata;
    const body = { metadata: { uid }, status: toPatch(status) };
    try {
      await this.#options.client.patch(pods, { name, namespace }, { type: 'strategic', body, subresource: 'status' });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  async #readMessages(pod: Pod, observed: Observed, memory: PodMemory): Promise<void> {
    const ended = observed.containers.filter(
      (status) => status.state === 'CONTAINER_EXITED' && !memory.messages.has(status.id),
    );
    for (const status of ended) {
      const { name, attempt } = status.metadata;
      const container = specOf(pod, name);
      const path = messagePath(this.#options.stateDir, { uid: pod.metadata.uid!, container: name, attempt });
      const text = await readStart(path, MAX_MESSAGE_BYTES);
      const fromLog = text === '' && status.exit_code !== 0 && container?.terminationMessagePolicy === FALLBACK;
      memory.messages.set(status.id, fromLog ? await this.#endOfLog(pod, status) : text);
    }
  }

  /** The last words of a container that failed. */
  async #endOfLog(pod: Pod, { metadata }: ContainerStatus): Promise<string> {
    const path = join(podLogDir(this.#options.stateDir, pod), metadata.name, `${metadata.attempt}.log`);
    const { clock, signal } = this.#options;
    const options = { tailLines: FALLBACK_LINES, timestamps: false, follow: false, clock, signal };
    let text = '';
    try {
      for await (const part of readLog(path, options)) text = (text + part).slice(-FALLBACK_CHARACTERS);
    } catch (error) {
      this.#options.log.warn('end of the log was not read', { path, error });
    }
    return text;
  }
}

const OWN_CONDITIONS = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady'];

/** A status as a strategic patch: conditions that others have set since stay, what ours no longer say goes. */
function toPatch(status: PodStatus): object {
  const { nominatedNodeName: _nominated, qosClass: _class, ...told } = status;
  const own = (status.conditions ?? []).filter(({ type }) => OWN_CONDITIONS.includes(type));
  const replaced = (list: readonly object[] | undefined) => list && [{ $patch: 'replace' }, ...list];
  return {
    ...told,
    podIPs: replaced(status.podIPs),
    hostIPs: replaced(status.hostIPs),
    conditions: own.map((condition) => ({ reason: null, message: null, ...condition })),
  };
}

const FALLBACK = 'FallbackToLogsOnError';
const FALLBACK_LINES = 80;
const FALLBACK_CHARACTERS = 2048;
const MAX_MESSAGE_BYTES = 4096;

function specOf(pod: Pod, name: string): Container | undefined {
  return allContainers(pod).find((container) => container.name === name);
}

/** The file is the container's to fill: only its start is read. */
async function readStart(path: string, bytes: number): Promise<string> {
  try {
    await using file = await open(path);
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(bytes) });
    return buffer.toString('utf8', 0, bytesRead);
  } catch {
    return '';
  }
}
