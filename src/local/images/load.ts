import { run } from '../../host/exec.ts';

/** Namespace of containerd that Kubernetes' images and containers are in. */
const CRI_NAMESPACE = 'k8s.io';

/** Imports an archive (OCI or `docker save`) into one containerd; resolves with the names of its images. */
export async function importImage(socket: string, file: string): Promise<string[]> {
  const { stdout } = await run(['ctr', '--address', socket, '--namespace', CRI_NAMESPACE, 'images', 'import', file]);
  return stdout
    .split('\n')
    .map((line) => /^unpacking (\S+)/.exec(line)?.[1] ?? '')
    .filter(Boolean);
}

/** An image as a containerd knows it. */
export interface LoadedImage {
  readonly name: string;
  readonly digest: string;
  readonly size: string;
}

/** The images of one containerd that have a name. */
export async function listImages(socket: string): Promise<LoadedImage[]> {
  const { stdout } = await run(['ctr', '--address', socket, '--namespace', CRI_NAMESPACE, 'images', 'list']);
  return parseImageList(stdout);
}

/** Reads the table of `ctr images list`: name, media type, digest, size, platforms, labels. */
export function parseImageList(text: string): LoadedImage[] {
  return [...text.matchAll(/^(\S+)\s+\S+\s+(sha256:[0-9a-f]{64})\s+([\d.]+ \w+)/gm)]
    .map(([, name = '', digest = '', size = '']) => ({ name, digest, size }))
    .filter(({ name }) => !name.startsWith('sha256:'));
}
