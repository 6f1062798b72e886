import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { imageCatalog } from './catalog.ts';
import { ociDocuments } from './oci.ts';
import { packageFile, parsePackages } from './packages.ts';
import type { ImageSpec } from './spec.ts';

const spec: ImageSpec = {
  names: ['docker.io/library/web:1', 'docker.io/library/web:latest'],
  packages: ['web'],
  env: { PATH: '/bin' },
  cmd: ['web', '-f'],
  exposedPorts: ['80/tcp'],
  stopSignal: 'SIGQUIT',
};
const layer = { digest: `sha256:${'a'.repeat(64)}`, size: 10240 };

function documents() {
  const { blobs, index } = ociDocuments({ spec, architecture: 'amd64', layer });
  return { blobs, index: JSON.parse(index) };
}

test('ociDocuments() gives each name a reference to the same manifest', () => {
  const { index } = documents();
  assert.deepEqual(
    index.manifests.map((one: { annotations: object; digest: string }) => one.annotations),
    [
      { 'io.containerd.image.name': 'docker.io/library/web:1', 'org.opencontainers.image.ref.name': '1' },
      { 'io.containerd.image.name': 'docker.io/library/web:latest', 'org.opencontainers.image.ref.name': 'latest' },
    ],
  );
  assert.equal(index.manifests[0].digest, index.manifests[1].digest);
});

test('ociDocuments() links index, manifest and configuration by digest and size', () => {
  const { blobs, index } = documents();
  const read = (descriptor: { digest: string; size: number }) => {
    const text = blobs.get(descriptor.digest.replace('sha256:', ''))!;
    assert.equal(Buffer.byteLength(text), descriptor.size);
    assert.equal(`sha256:${createHash('sha256').update(text).digest('hex')}`, descriptor.digest);
    return JSON.parse(text);
  };
  const manifest = read(index.manifests[0]);
  assert.deepEqual(manifest.layers, [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }]);
  const config = read(manifest.config);
  assert.deepEqual(config.rootfs, { type: 'layers', diff_ids: [layer.digest] });
  assert.deepEqual(config.config, {
    Cmd: ['web', '-f'],
    Env: ['PATH=/bin'],
    WorkingDir: '/',
    ExposedPorts: { '80/tcp': {} },
    StopSignal: 'SIGQUIT',
  });
});

test('ociDocuments() of the same image are the same', () => {
  const [first, second] = [documents(), documents()];
  assert.deepEqual(first, second);
});

test('the catalog names every image in full, once', () => {
  const names = imageCatalog.flatMap((image) => image.names);
  for (const name of names) assert.match(name, /^[a-z0-9.]+\.[a-z0-9]+\/[a-z/_]+:[\w.]+$/);
  assert.equal(new Set(names).size, names.length);
});

test('parsePackages() takes the first version of each package', () => {
  const text =
    'Package: a\nArchitecture: amd64\nVersion: 1:2.0-1\n\nPackage: a\nVersion: 1\n\nPackage: b\nVersion: 3\nArchitecture: all\n';
  const packages = parsePackages(text);
  assert.deepEqual(packages.map(packageFile), ['a_1%3a2.0-1_amd64.deb', 'b_3_all.deb']);
});
