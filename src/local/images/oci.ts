import { createHash } from 'node:crypto';
import type { ImageSpec } from './spec.ts';

/** A blob of an OCI image: where its bytes are is the caller's business. */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface OciDocuments {
  /** Digest's hexadecimal part → text of the blob. */
  readonly blobs: ReadonlyMap<string, string>;
  /** Text of `index.json`. */
  readonly index: string;
}

export const OCI_LAYOUT = '{"imageLayoutVersion":"1.0.0"}';

/** `amd64`, `arm64`: the OCI image specification takes Go's names. */
export type OciArchitecture = 'amd64' | 'arm64';

/** Manifest, configuration and index (OCI image specification 1.0) of an image with one uncompressed layer. Pure. */
export function ociDocuments(options: {
  spec: ImageSpec;
  architecture: OciArchitecture;
  layer: Omit<Descriptor, 'mediaType'>;
}): OciDocuments {
  const { spec, architecture, layer } = options;
  const config = JSON.stringify(imageConfig(spec, architecture, layer.digest));
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: describe('application/vnd.oci.image.config.v1+json', config),
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
  });
  const manifests = spec.names.map((name) => ({
    ...describe('application/vnd.oci.image.manifest.v1+json', manifest),
    platform: { os: 'linux', architecture },
    annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.split(':').at(-1)! },
  }));
  return {
    blobs: new Map([config, manifest].map((text) => [sha256(text), text])),
    index: JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }),
  };
}

function imageConfig(spec: ImageSpec, architecture: OciArchitecture, diffId: string): object {
  const environment = Object.entries(spec.env ?? {}).map(([name, value]) => `${name}=${value}`);
  return {
    created: '1970-01-01T00:00:00Z',
    architecture,
    os: 'linux',
    config: {
      Entrypoint: spec.entrypoint,
      Cmd: spec.cmd,
      Env: environment.length > 0 ? environment : undefined,
      WorkingDir: spec.workingDir ?? '/',
      ExposedPorts: spec.exposedPorts && Object.fromEntries(spec.exposedPorts.map((port) => [port, {}])),
      StopSignal: spec.stopSignal,
    },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created: '1970-01-01T00:00:00Z', created_by: `Debian packages: ${spec.packages.join(' ')}` }],
  };
}

function describe(mediaType: string, text: string): Descriptor {
  return { mediaType, digest: `sha256:${sha256(text)}`, size: Buffer.byteLength(text) };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
