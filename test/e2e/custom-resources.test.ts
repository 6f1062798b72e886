import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { cronTabs } from '../../src/apiserver/crd/crontab.fixture.ts';
import { KUBECTL_VERSIONS } from '../../src/local/kubectl.ts';
import { type ApiFixture, startApi } from './api-fixture.ts';
import { obstacle } from './cluster.ts';

const cronTab = (spec: string, name = 'tab') => `
apiVersion: stable.example.com/v1
kind: CronTab
metadata: { name: ${name} }
spec: { cronSpec: "* * * * */5", ${spec} }
`;

for (const version of KUBECTL_VERSIONS) {
  describe(`custom resources with kubectl ${version}`, { skip: obstacle() ?? false }, () => {
    let api: ApiFixture;
    const kubectl = (...words: string[]) => api.kubectl(version, ...words);
    const file = (name: string, text: string) => api.file(name, text);
    before(async () => {
      api = await startApi();
      await kubectl('create', 'namespace', 'default');
    });
    after(() => api.stop());

    test('a kind that nobody defined is told so', async () => {
      const unknown = await kubectl('apply', '-f', file('unknown.yaml', cronTab('')));
      assert.match(
        unknown,
        /no matches for kind "CronTab" in version "stable.example.com\/v1"\nensure CRDs are installed first/,
      );
      assert.match(await kubectl('get', 'crontabs'), /the server doesn't have a resource type "crontabs"/);
    });

    test('a definition is created, and waited for', async () => {
      const path = file('crd.yaml', stringify(cronTabs));
      assert.match(
        await kubectl('create', '-f', path),
        /customresourcedefinition.apiextensions.k8s.io\/crontabs.stable.example.com created/,
      );
      const waited = await kubectl('wait', '--for=condition=Established', 'crd/crontabs.stable.example.com');
      assert.match(waited, /condition met/);
      assert.match(await kubectl('get', 'crd'), /NAME +CREATED AT\ncrontabs.stable.example.com +\d{4}-\d\d-\d\dT/);
      const resources = await kubectl('api-resources', '--api-group=stable.example.com');
      assert.match(resources, /crontabs +ct +stable.example.com\/v1 +true +CronTab/);
      assert.match(await kubectl('apply', '-f', path), /configured|unchanged/);
      assert.match(await kubectl('describe', 'crd', 'crontabs.stable.example.com'), /Reason: +InitialNamesAccepted/);
    });

    test('its kind is explained', async () => {
      const spec = await kubectl('explain', 'crontab.spec');
      assert.match(spec, /GROUP: +stable.example.com[\s\S]*What is wanted\.[\s\S]*replicas\t<integer>/);
      assert.match(await kubectl('explain', 'ct.spec.image'), /FIELD: image <string>[\s\S]*The image to run\./);
      assert.match(await kubectl('explain', 'crontab', '--recursive'), /steps\t<\[\]Object>[\s\S]*seconds\t<integer>/);
    });

    test('objects are made, seen, changed and scaled', async () => {
      assert.match(
        await kubectl('apply', '-f', file('tab.yaml', cronTab('image: a'))),
        /crontab.stable.example.com\/tab created/,
      );
      assert.match(await kubectl('get', 'ct'), /NAME +SPEC +REPLICAS +AGE\ntab +\* \* \* \* \*\/5 +1 +\d+s/);
      const patch = '{"status":{"replicas":1,"conditions":[{"type":"Ready","status":"True"}]}}';
      await kubectl('patch', 'ct', 'tab', '--subresource=status', '--type=merge', '-p', patch);
      assert.match(await kubectl('get', 'ct', '-o', 'wide'), /AGE +READY\ntab .*True/);
      assert.match(await kubectl('apply', '-f', file('tab.yaml', cronTab('image: a, replicas: 2'))), /configured/);
      assert.match(await kubectl('scale', 'ct/tab', '--replicas=4'), /crontab.stable.example.com\/tab scaled/);
      assert.equal(await kubectl('get', 'ct', 'tab', '-o', 'jsonpath={.spec.replicas}'), '4');
      assert.match(await kubectl('label', 'ct', 'tab', 'a=b'), /labeled/);
      assert.match(await kubectl('get', 'all', '-l', 'a=b'), /crontab.stable.example.com\/tab/);
      assert.match(await kubectl('describe', 'ct', 'tab'), /Spec:\n +Cron Spec: +\* \* \* \* \*\/5/);
      const old = await kubectl('get', 'crontabs.v1beta1.stable.example.com');
      assert.match(old, /Warning: stable.example.com\/v1beta1 CronTab is deprecated/);
    });

    test('mistakes are told in the words of the schema', async () => {
      const wrong = await kubectl('apply', '-f', file('wrong.yaml', cronTab('replicas: 20, image: a')));
      assert.match(wrong, /spec.replicas: Invalid value: 20: spec.replicas in body should be less than or equal to 10/);
      const unknown = await kubectl('apply', '-f', file('unknown.yaml', cronTab('imag: b')));
      assert.match(unknown, /strict decoding error: unknown field "spec.imag"/);
      assert.match(
        await kubectl('patch', 'ct', 'tab', '--type=strategic', '-p', '{}'),
        /UnsupportedMediaType|unknown format|unsupported/i,
      );
    });

    test('server-side apply knows lists by their keys', async () => {
      const a = file('a.yaml', cronTab('steps: [{ name: a }]', 'steps'));
      const b = file('b.yaml', cronTab('steps: [{ name: b, seconds: 1 }]', 'steps'));
      await kubectl('apply', '--server-side', '--field-manager=one', '-f', a);
      await kubectl('apply', '--server-side', '--field-manager=two', '-f', b);
      assert.equal(await kubectl('get', 'ct', 'steps', '-o', 'jsonpath={.spec.steps[*].name}'), 'a b');
    });

    test('the definition takes its objects with it', async () => {
      assert.match(await kubectl('delete', 'crd', 'crontabs.stable.example.com', '--timeout=20s'), /deleted/);
      assert.match(
        await kubectl('get', 'crontabs'),
        /the server doesn't have a resource type "crontabs"|could not find the requested resource/,
      );
    });

    test('an Ingress of old times is taken, with a warning', async () => {
      const ingress =
        'apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: { name: old }\nspec: { backend: { serviceName: a, servicePort: 80 } }';
      const applied = await kubectl('apply', '-f', file('ingress.yaml', ingress));
      assert.match(
        applied,
        /Warning: extensions\/v1beta1 Ingress is deprecated in v1.14\+, unavailable in v1.22\+; use networking.k8s.io\/v1 Ingress/,
      );
      assert.match(applied, /ingress.extensions\/old created/);
      assert.equal(
        await kubectl('get', 'ingress', 'old', '-o', 'jsonpath={.spec.defaultBackend.service.port.number}'),
        '80',
      );
    });
  });
}
