import { pods } from '../api/kinds/pod.ts';
import type { Resource } from '../api/resource.ts';
import type { KubeObject, New, Pod } from '../api/types.ts';
import { PendingWrites } from '../client/pending-writes.ts';
import { controllerRef, ignoreGone } from './common.ts';
import type { ControllersOptions } from './options.ts';

/** An object with the row of its kind. */
export interface Owner {
  readonly kind: Pick<Resource, 'group' | 'version' | 'kind'>;
  readonly object: KubeObject;
}

export interface PodTemplate {
  readonly metadata?: object | undefined;
  readonly spec?: Pod['spec'] | undefined;
}

/** Makes and deletes the pods of owners, says so in events, and knows what the cache does not show yet. */
export class PodControl {
  readonly #options: ControllersOptions;
  readonly #pending: PendingWrites<Pod>;

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.#pending = new PendingWrites(options.informers.of(pods));
  }

  /** True when the cache shows every write for a key. */
  isSettled(key: string): boolean {
    return this.#pending.isSettled(key);
  }

  forget(key: string): void {
    this.#pending.forget(key);
  }

  wrote(key: string, pod: Pod): void {
    this.#pending.wrote(key, pod);
  }

  /** Throws what the server answered, after an event that tells it. */
  async create(key: string, { object }: Owner, pod: New<Pod>): Promise<Pod> {
    const { client, recorder } = this.#options;
    try {
      const created = await client.create(pods, pod);
      this.#pending.wrote(key, created);
      const message = `Created pod: ${created.metadata.name}`;
      recorder.record(object, { type: 'Normal', reason: 'SuccessfulCreate', message });
      return created;
    } catch (error) {
      const message = `Error creating: ${(error as Error).message}`;
      recorder.record(object, { type: 'Warning', reason: 'FailedCreate', message });
      throw error;
    }
  }

  /** A pod that has gone meanwhile is no failure. */
  async delete(key: string, { object }: Owner, pod: Pod): Promise<void> {
    const { client, recorder } = this.#options;
    const { name, namespace, uid } = pod.metadata;
    this.#pending.deleting(key, pod);
    try {
      await client.delete(pods, { name, namespace }, { preconditions: { uid } });
      recorder.record(object, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` });
    } catch (error) {
      this.#pending.notDeleting(key, pod);
      ignoreGone(error);
    }
  }
}

/** A pod as its owner's template describes it, named after the owner. */
export function podFromTemplate({ kind, object }: Owner, template: PodTemplate | undefined): New<Pod> {
  const { name, namespace } = object.metadata;
  const metadata = {
    ...structuredClone(template?.metadata ?? {}),
    generateName: `${name}-`,
    namespace,
    ownerReferences: [controllerRef(kind, object)],
  };
  return { metadata, spec: structuredClone(template!.spec!) };
}

/** In rounds of 1, 2, 4, …: what fails for one pod fails for all, and should not be tried for all. */
export async function inRounds(count: number, step: (index: number) => Promise<unknown>): Promise<void> {
  for (let done = 0, round = 1; done < count; done += round, round *= 2) {
    const size = Math.min(round, count - done);
    const results = await Promise.allSettled(Array.from({ length: size }, (_, index) => step(done + index)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }
}
