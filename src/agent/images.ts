import type { Pod } from '../api/types.ts';
import type { Container } from './container-config.ts';
import type { AgentOptions } from './options.ts';
import type { Waiting } from './status.ts';

export type ImageState =
  /** `ref` is the image's id: the runtime does not complete short names when it creates a container. */
  | { readonly ready: true; readonly ref: string }
  | { readonly ready: false; readonly waiting: Waiting; readonly againMs: number };

interface Failure {
  /** Ms since the epoch before which no new try is made. */
  nextAt: number;
  spanMs: number;
  message: string;
}

const FIRST_MS = 10_000;
const LONGEST_MS = 300_000;

/** Sees to it that a container's image is here, as its imagePullPolicy asks. */
export class ImagePuller {
  readonly #options: AgentOptions;
  readonly #failures = new Map<string, Failure>();

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  async ensure(pod: Pod, container: Container): Promise<ImageState> {
    const { runtime } = this.#options;
    const image = container.image!;
    const present = await runtime.imageStatus(image);
    if (present && container.imagePullPolicy !== 'Always') return this.#present(pod, container, present.id);
    if (container.imagePullPolicy === 'Never') {
      if (present) return this.#present(pod, container, present.id);
      const message = `Container image ${JSON.stringify(image)} is not present with pull policy of Never`;
      this.#record(pod, container, { type: 'Warning', reason: 'ErrImageNeverPull', message });
      return { ready: false, waiting: { reason: 'ErrImageNeverPull', message }, againMs: FIRST_MS };
    }
    // A loaded image is newer than any registry that can't be asked: with it here, a failed pull is no obstacle.
    return present ? this.#present(pod, container, present.id) : this.#pull(pod, container);
  }

  #present(pod: Pod, container: Container, ref: string): ImageState {
    const message = `Container image ${JSON.stringify(container.image)} already present on machine`;
    this.#record(pod, container, { type: 'Normal', reason: 'Pulled', message });
    return { ready: true, ref };
  }

  async #pull(pod: Pod, container: Container): Promise<ImageState> {
    const { clock, runtime } = this.#options;
    const image = container.image!;
    const failure = this.#failures.get(image);
    const waitMs = (failure?.nextAt ?? 0) - clock.now();
    if (failure && waitMs > 0) {
      const message = `Back-off pulling image ${JSON.stringify(image)}: ErrImagePull: ${failure.message}`;
      this.#record(pod, container, {
        type: 'Normal',
        reason: 'BackOff',
        message: `Back-off pulling image ${JSON.stringify(image)}`,
      });
      return { ready: false, waiting: { reason: 'ImagePullBackOff', message }, againMs: waitMs };
    }
    this.#record(pod, container, {
      type: 'Normal',
      reason: 'Pulling',
      message: `Pulling image ${JSON.stringify(image)}`,
    });
    try {
      const ref = await runtime.pullImage(image);
      this.#failures.delete(image);
      this.#record(pod, container, {
        type: 'Normal',
        reason: 'Pulled',
        message: `Successfully pulled image ${JSON.stringify(image)}`,
      });
      return { ready: true, ref };
    } catch (error) {
      return this.#failed(pod, container, (error as Error).message);
    }
  }

  #failed(pod: Pod, container: Container, message: string): ImageState {
    const image = container.image!;
    const spanMs = Math.min((this.#failures.get(image)?.spanMs ?? FIRST_MS / 2) * 2, LONGEST_MS);
    this.#failures.set(image, { nextAt: this.#options.clock.now() + spanMs, spanMs, message });
    this.#record(pod, container, {
      type: 'Warning',
      reason: 'Failed',
      message: `Failed to pull image ${JSON.stringify(image)}: ${message}`,
    });
    this.#record(pod, container, { type: 'Warning', reason: 'Failed', message: 'Error: ErrImagePull' });
    // The first look after a failure shows ErrImagePull, the next one that it waits.
    return { ready: false, waiting: { reason: 'ErrImagePull', message }, againMs: 1000 };
  }

  #record(
    pod: Pod,
    container: Container,
    event: { type: 'Normal' | 'Warning'; reason: string; message: string },
  ): void {
    this.#options.recorder.record(pod, { ...event, fieldPath: `spec.containers{${container.name}}` });
  }
}
