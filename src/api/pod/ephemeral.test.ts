import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestServer } from '../../testing/server.ts';

const POD = '/api/v1/namespaces/default/pods/p';
const PATCH = { 'content-type': 'application/strategic-merge-patch+json' };

async function podServer() {
  const server = await startTestServer();
  const containers = [{ name: 'main', image: 'app' }];
  const created = await server.request('POST', '/api/v1/namespaces/default/pods', {
    metadata: { name: 'p' },
    spec: { containers, ephemeralContainers: [{ name: 'early', image: 'x' }] },
  });
  assert.equal(created.body.spec.ephemeralContainers, undefined);
  const add = (container: object, path = `${POD}/ephemeralcontainers`) =>
    server.request('PATCH', path, { spec: { ephemeralContainers: [container], nodeName: 'sneaky' } }, PATCH);
  return { ...server, add };
}

test('ephemeral containers are added by their subresource alone, and stay', async () => {
  const { request, add } = await podServer();
  const added = await add({ name: 'debug', image: 'busybox', targetContainerName: 'main' });
  assert.equal(added.status, 200);
  const [container] = added.body.spec.ephemeralContainers;
  assert.deepEqual(
    [container.name, container.imagePullPolicy, container.terminationMessagePolicy],
    ['debug', 'Always', 'File'],
  );
  assert.equal(added.body.spec.nodeName, undefined);
  await add({ name: 'second', image: 'busybox:1' });
  const pod = await request('GET', POD);
  assert.deepEqual(
    pod.body.spec.ephemeralContainers.map(({ name }: { name: string }) => name),
    ['debug', 'second'],
  );
  const main = await add({ name: 'third', image: 'busybox' }, POD);
  assert.equal(main.status, 422);
});

test('ephemeral containers follow rules', async () => {
  const { add } = await podServer();
  await add({ name: 'debug', image: 'busybox' });
  const rows: [string, object, RegExp][] = [
    [
      'another image',
      { name: 'debug', image: 'other' },
      /existing ephemeral containers "debug" may not be removed or changed/,
    ],
    ['a name that is taken', { name: 'main', image: 'x' }, /Duplicate value: "main"/],
    ['no image', { name: 'x' }, /ephemeralContainers\[\d\]\.image: Required value/],
    ['no such target', { name: 'x', image: 'x', targetContainerName: 'y' }, /targetContainerName: Not found: "y"/],
    [
      'ports',
      { name: 'x', image: 'x', ports: [{ containerPort: 1 }] },
      /ports: Forbidden: cannot be set for an Ephemeral Container/,
    ],
    ['resources', { name: 'x', image: 'x', resources: { limits: { cpu: '1' } } }, /resources: Forbidden/],
  ];
  for (const [name, container, message] of rows) {
    const { status, body } = await add(container);
    assert.equal(status, 422, name);
    assert.match(body.message, message, name);
  }
});
