import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ApiFixture, startApi } from './api-fixture.ts';
import { obstacle } from './cluster.ts';
import { goModule } from './go-modules.ts';

const VERSION = 'v1.4.0';
const loaded = obstacle() ? { reason: obstacle()! } : await goModule('sigs.k8s.io/gateway-api', VERSION);
const skip = 'reason' in loaded ? loaded.reason : false;
const root = 'reason' in loaded ? '' : loaded.directory;

describe(`Gateway API ${VERSION}`, { skip }, () => {
  let api: ApiFixture;
  const kubectl = (...words: string[]) => api.kubectl('1.35', ...words);
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  test('its definitions are taken and established', async () => {
    const said = await kubectl('apply', '--server-side', '-f', join(root, 'config/crd/standard'));
    assert.equal(said.match(/serverside-applied/g)?.length, 6, said);
    const waited = await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=10s');
    assert.equal(waited.match(/condition met/g)?.length, 6, waited);
  });

  test('its examples are taken', async () => {
    const files = globSync(join(root, 'examples/standard/**/*.yaml')).sort();
    assert.ok(files.length > 20);
    await kubectl('apply', '-f', files.find((file) => basename(file) === '0-namespaces.yaml')!);
    const said = await kubectl('apply', ...files.flatMap((file) => ['-f', file]));
    assert.doesNotMatch(said, /error|invalid/i);
    assert.match(await kubectl('get', 'gtw', 'prod-web'), /NAME +CLASS +ADDRESS +PROGRAMMED +AGE\nprod-web +example/);
    assert.match(await kubectl('explain', 'httproute.spec.rules.filters'), /FIELD: filters <\[\]Object>/);
  });

  for (const file of globSync(join(root || '/nowhere', 'hack/invalid-examples/standard/**/*.yaml')).sort()) {
    test(`${basename(file)} is refused`, async () => {
      assert.match(await kubectl('apply', '-f', file), / is invalid: /);
    });
  }

  test('refusals have the words of the definitions', async () => {
    const refuse = (file: string) => kubectl('apply', '-f', join(root, 'hack/invalid-examples/standard', file));
    const rows: [string, string][] = [
      [
        'httproute/invalid-filter-duplicate.yaml',
        'spec.rules[0].filters: Invalid value: "array": RequestHeaderModifier filter cannot be repeated',
      ],
      [
        'gateway/hostname-tcp.yaml',
        `spec.listeners: Invalid value: "array": hostname must not be specified for protocols ['TCP', 'UDP']`,
      ],
      [
        'httproute/invalid-method.yaml',
        'spec.rules[0].matches[0].method: Unsupported value: "NOTREAL": supported values: "GET", "HEAD", "POST"',
      ],
    ];
    for (const [file, expected] of rows) {
      const said = await refuse(file);
      assert.ok(said.includes(expected), said);
    }
  });
});
