import type { Pod } from '../api/types.ts';
import type { Container } from './container-config.ts';
import type { AuthConfig } from './cri/types.ts';
import { parseImage } from './image-reference.ts';
import type { AgentOptions } from './options.ts';
import { keyOf } from './pod-memory.ts';
import type { Waiting } from './status.ts';

export type ImageState =
  /** `ref` is the image's id: the runtime does not complete short names when it creates a container. */
  | { readonly ready: true; readonly ref: string }
  /** Undefined `againMs`: the pod is asked for again when there is news. */
  | { readonly ready: false; readonly waiting: Waiting | undefined; readonly againMs: number | undefined };

export interface ImagePullerOptions extends AgentOptions {
  /** Asks for another look at a pod. */
  readonly enqueue: (key: string) => void;
  /** Credentials that a pod's Secrets have for an image. */
  readonly credentials: (pod: Pod, image: string) => Promise<AuthConfig[]>;
}

interface Failure {
  /** Ms since the epoch before which no new try is made. */
  nextAt: number;
  spanMs: number;
  message: string;
  /** Pods that were told of it. */
  readonly told: Set<string>;
}

interface Puller {
  readonly pod: Pod;
  readonly container: Container;
}

const FIRST_MS = 10_000;
const LONGEST_MS = 300_000;
/** What is remembered of images whose pull has failed. */
const FAILURES_MAX = 1000;

/** Sees to it that a container's image is here, as its imagePullPolicy asks. A pull never holds a pod: it may end meanwhile. */
export class ImagePuller {
  readonly #options: ImagePullerOptions;
  /** Image → what failed. */
  readonly #failures = new Map<string, Failure>();
  /** Image and credentials → the containers that wait for it. */
  readonly #pulls = new Map<string, Puller[]>();
  /** Containers that have been told that their image was pulled: uid and name. */
  readonly #pulled = new Set<string>();

  constructor(options: ImagePullerOptions) {
    this.#options = options;
  }

  async ensure(pod: Pod, container: Container): Promise<ImageState> {
    const { runtime } = this.#options;
    const image = container.image!;
    if (!parseImage(image)) return this.#invalid(pod, container);
    const present = await runtime.imageStatus(image);
    // A loaded image is newer than any registry that can't be asked: with it here, no pull is needed.
    if (present) return this.#present(pod, container, present.id);
    if (container.imagePullPolicy === 'Never') {
      const message = `Container image ${JSON.stringify(image)} is not present with pull policy of Never`;
      this.#record(pod, container, { type: 'Warning', reason: 'ErrImageNeverPull', message });
      return { ready: false, waiting: { reason: 'ErrImageNeverPull', message }, againMs: FIRST_MS };
    }
    return this.#pull(pod, container);
  }

  #invalid(pod: Pod, container: Container): ImageState {
    const image = JSON.stringify(container.image);
    const message = `Failed to apply default image tag ${image}: couldn't parse image name ${image}: invalid reference format`;
    this.#record(pod, container, { type: 'Warning', reason: 'InspectFailed', message });
    this.#record(pod, container, { type: 'Warning', reason: 'Failed', message: 'Error: InvalidImageName' });
    return { ready: false, waiting: { reason: 'InvalidImageName', message }, againMs: FIRST_MS };
  }

  #present(pod: Pod, container: Container, ref: string): ImageState {
    if (!this.#pulled.delete(`${pod.metadata.uid}/${container.name}`)) {
      const message = `Container image ${JSON.stringify(container.image)} already present on machine`;
      this.#record(pod, container, { type: 'Normal', reason: 'Pulled', message });
    }
    return { ready: true, ref };
  }

  async #pull(pod: Pod, container: Container): Promise<ImageState> {
    const image = container.image!;
    const failure = this.#failures.get(image);
    const waitMs = (failure?.nextAt ?? 0) - this.#options.clock.now();
    if (failure && waitMs > 0) return this.#backOff({ pod, container }, failure, waitMs);
    const credentials = await this.#options.credentials(pod, image);
    const key = JSON.stringify([image, credentials]);
    const pulling = this.#pulls.get(key);
    const known = pulling?.some(
      (one) => one.pod.metadata.uid === pod.metadata.uid && one.container.name === container.name,
    );
    if (!known) {
      const message = `Pulling image ${JSON.stringify(image)}`;
      this.#record(pod, container, { type: 'Normal', reason: 'Pulling', message });
      if (pulling) pulling.push({ pod, container });
    }
    if (!pulling) {
      this.#pulls.set(key, [{ pod, container }]);
      void this.#run(key, { image, credentials });
    }
    return { ready: false, waiting: undefined, againMs: undefined };
  }

  /** The first look after a failure shows ErrImagePull, the next one that it waits. */
  #backOff({ pod, container }: Puller, failure: Failure, waitMs: number): ImageState {
    const image = JSON.stringify(container.image);
    const first = !failure.told.has(pod.metadata.uid!);
    failure.told.add(pod.metadata.uid!);
    if (first) return { ready: false, waiting: { reason: 'ErrImagePull', message: failure.message }, againMs: 1000 };
    this.#record(pod, container, { type: 'Normal', reason: 'BackOff', message: `Back-off pulling image ${image}` });
    this.#record(pod, container, { type: 'Warning', reason: 'Failed', message: 'Error: ImagePullBackOff' });
    const message = `Back-off pulling image ${image}: ErrImagePull: ${failure.message}`;
    return { ready: false, waiting: { reason: 'ImagePullBackOff', message }, againMs: waitMs };
  }

  async #run(key: string, { image, credentials }: { image: string; credentials: AuthConfig[] }): Promise<void> {
    const { runtime, clock } = this.#options;
    const startMs = clock.now();
    let failed: string | undefined;
    for (const auth of credentials.length > 0 ? credentials : [undefined]) {
      failed = await runtime.pullImage(image, auth).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (failed === undefined) break;
    }
    const waiting = this.#pulls.get(key)!;
    this.#pulls.delete(key);
    if (failed === undefined) this.#succeeded(image, waiting, clock.now() - startMs);
    else this.#failed(image, waiting, failed);
    for (const pod of new Set(waiting.map((one) => keyOf(one.pod)))) this.#options.enqueue(pod);
  }

  #succeeded(image: string, waiting: readonly Puller[], tookMs: number): void {
    this.#failures.delete(image);
    const message = `Successfully pulled image ${JSON.stringify(image)} in ${(tookMs / 1000).toFixed(3)}s`;
    for (const { pod, container } of waiting) {
      this.#pulled.add(`${pod.metadata.uid}/${container.name}`);
      this.#record(pod, container, { type: 'Normal', reason: 'Pulled', message });
    }
  }

  #failed(image: string, waiting: readonly Puller[], message: string): void {
    const spanMs = Math.min((this.#failures.get(image)?.spanMs ?? FIRST_MS / 2) * 2, LONGEST_MS);
    this.#failures.delete(image);
    this.#failures.set(image, { nextAt: this.#options.clock.now() + spanMs, spanMs, message, told: new Set() });
    if (this.#failures.size > FAILURES_MAX) this.#failures.delete(this.#failures.keys().next().value!);
    for (const { pod, container } of waiting) {
      const text = `Failed to pull image ${JSON.stringify(image)}: ${message}`;
      this.#record(pod, container, { type: 'Warning', reason: 'Failed', message: text });
      this.#record(pod, container, { type: 'Warning', reason: 'Failed', message: 'Error: ErrImagePull' });
    }
  }

  /** Nothing more is to be told of a pod. */
  forget(uid: string): void {
    for (const key of this.#pulled) if (key.startsWith(`${uid}/`)) this.#pulled.delete(key);
  }

  #record(
    pod: Pod,
    container: Container,
    event: { type: 'Normal' | 'Warning'; reason: string; message: string },
  ): void {
    this.#options.recorder.record(pod, { ...event, fieldPath: `spec.containers{${container.name}}` });
  }
}
