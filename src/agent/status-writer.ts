import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { isConflict, isNotFound } from '../api/errors.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Pod } from '../api/types.ts';
import type { Observed } from './observe.ts';
import type { AgentOptions } from './options.ts';
import { messagePath, type PodMemory } from './pod-memory.ts';
import type { Prober } from './probes.ts';
import { podStatus } from './status.ts';

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
      nodeIp: this.#options.nodeIp,
      now: this.#options.clock.now(),
      waiting: memory.waiting,
      ready: (container, id) => this.#options.prober.isReady(container, id),
      started: (container, id) => this.#options.prober.isStarted(container, id),
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

  async #readMessages(pod: Pod, observed: Observed, memory: PodMemory): Promise<void> {
    const ended = observed.containers.filter(
      (status) => status.state === 'CONTAINER_EXITED' && !memory.messages.has(status.id),
    );
    for (const status of ended) {
      const { name, attempt } = status.metadata;
      const path = messagePath(this.#options.stateDir, { uid: pod.metadata.uid!, container: name, attempt });
      memory.messages.set(status.id, await readFile(path, 'utf8').catch(() => ''));
    }
  }
}
