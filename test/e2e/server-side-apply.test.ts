import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { KUBECTL_VERSIONS } from '../../src/local/kubectl.ts';
import { type ApiFixture, startApi } from './api-fixture.ts';
import { obstacle } from './cluster.ts';

const manifest = (image: string, replicas: number) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { app: web } }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
      - { name: web, image: ${image}, resources: { limits: { cpu: 1000m } } }
`;
const OWNERS = 'jsonpath={range .metadata.managedFields[*]}{.manager}/{.operation} {end}';

for (const version of KUBECTL_VERSIONS) {
  describe(`server-side apply with kubectl ${version}`, { skip: obstacle() ?? false }, () => {
    let api: ApiFixture;
    let first = '';
    let second = '';
    before(async () => {
      api = await startApi();
      first = api.file('first.yaml', manifest('nginx:1', 2));
      second = api.file('second.yaml', manifest('nginx:2', 3));
    });
    after(() => api.stop());
    const kubectl = (...words: string[]) => api.kubectl(version, ...words);

    test('creates, and does nothing the second time', async () => {
      assert.match(await kubectl('apply', '--server-side', '-f', first), /deployment.apps\/web serverside-applied/);
      const before = await kubectl('get', 'deploy', 'web', '-o', 'yaml', '--show-managed-fields');
      await kubectl('apply', '--server-side', '-f', first);
      assert.equal(await kubectl('get', 'deploy', 'web', '-o', 'yaml', '--show-managed-fields'), before);
      assert.match(before, /f:image: \{\}/);
      assert.doesNotMatch(await kubectl('get', 'deploy', 'web', '-o', 'yaml'), /managedFields/);
      await kubectl('delete', '-f', first);
    });

    test('goes over from client-side apply, and diff shows what would change', async () => {
      assert.match(await kubectl('apply', '-f', first), /created/);
      const diff = await kubectl('diff', '--server-side', '-f', second);
      assert.match(diff, /^-\s+- image: nginx:1\n\+\s+- image: nginx:2$/m);
      assert.match(diff, /^\+\s+replicas: 3$/m);
      assert.match(await kubectl('apply', '--server-side', '-f', second), /serverside-applied/);
      const owners = await kubectl('get', 'deploy', 'web', '--show-managed-fields', '-o', OWNERS);
      assert.match(owners, /(^| )kubectl\/Apply /);
      assert.doesNotMatch(owners, /client-side/);
      assert.equal(await kubectl('diff', '--server-side', '-f', second), '');
    });

    test('says who owns what, and takes it by force', async () => {
      await kubectl('scale', 'deploy', 'web', '--replicas=7');
      const refused = await kubectl('apply', '--server-side', '-f', second);
      assert.match(
        refused,
        /Apply failed with 1 conflict: conflict with "kubectl.*" with subresource "scale" using apps\/v1: \.spec\.replicas/,
      );
      assert.match(await kubectl('apply', '--server-side', '--force-conflicts', '-f', second), /serverside-applied/);
      assert.equal(await kubectl('get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}'), '3');
      const dry = ['apply', '--server-side', '--dry-run=server', '--field-manager=other', '-f', first];
      assert.match(await kubectl(...dry), /conflicts? with "kubectl"/);
      assert.equal(await kubectl('get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}'), '3');
    });
  });
}
