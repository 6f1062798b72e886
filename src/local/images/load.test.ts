import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseImageList } from './load.ts';

test('parseImageList() reads names, digests and sizes, and leaves out what has no name', () => {
  const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const text = [
    'REF                            TYPE                                       DIGEST   SIZE     PLATFORMS   LABELS',
    `docker.io/library/nginx:latest ${type} ${digest} 22.1 MiB linux/amd64 io.cri-containerd.image=managed`,
    `sampan.dev/pause:1             ${type} ${digest} 958 B    linux/amd64 -`,
    `${digest} ${type} ${digest} 22.1 MiB linux/amd64 -`,
    '',
  ].join('\n');
  assert.deepEqual(parseImageList(text), [
    { name: 'docker.io/library/nginx:latest', digest, size: '22.1 MiB' },
    { name: 'sampan.dev/pause:1', digest, size: '958 B' },
  ]);
});
