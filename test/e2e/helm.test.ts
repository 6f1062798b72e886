import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CommandError, run } from '../../src/host/exec.ts';
import { helmPath, KUBECTL_VERSIONS } from '../../src/local/kubectl.ts';
import { ROOT } from '../source.ts';
import { type ApiFixture, startApi } from './api-fixture.ts';
import { obstacle } from './cluster.ts';
import { goModule } from './go-modules.ts';

/** A chart in wide use, with a definition, cluster roles and a Deployment. */
const CHART = { module: 'sigs.k8s.io/external-dns', version: 'v0.19.0', path: 'charts/external-dns' };
const loaded = obstacle() ? { reason: obstacle()! } : await goModule(CHART.module, CHART.version);

for (const version of KUBECTL_VERSIONS) {
  describe(`the helm that comes with kubectl ${version}`, { skip: obstacle() ?? false }, () => {
    let api: ApiFixture;
    before(async () => {
      api = await startApi();
    });
    after(() => api.stop());

    const helm = async (...words: string[]) => {
      const env = {
        KUBECONFIG: join(api.directory, 'kubeconfig'),
        HOME: api.directory,
        PATH: process.env['PATH'] ?? '',
      };
      try {
        const options = { cwd: api.directory, env, timeoutMs: 60_000 };
        const { stdout, stderr } = await run([helmPath(version, ROOT), ...words], options);
        return stdout + stderr;
      } catch (error) {
        if (error instanceof CommandError) return error.stdout + error.stderr;
        throw error;
      }
    };
    const read = (...words: string[]) => api.kubectl('1.35', 'get', ...words);

    test('makes, installs, upgrades, rolls back and uninstalls a chart', async () => {
      await helm('create', 'web');
      const first = ['--set', 'autoscaling.enabled=true,ingress.enabled=true,replicaCount=2'];
      assert.match(await helm('install', 'web', './web', ...first), /STATUS: deployed\nREVISION: 1/);
      assert.match(await read('ingress', 'web'), /chart-example.local/);
      assert.match(await read('hpa', 'web', '-o', 'jsonpath={.spec.maxReplicas}'), /100/);
      const second = ['--set', 'autoscaling.enabled=false,replicaCount=3,service.port=8080'];
      assert.match(await helm('upgrade', 'web', './web', ...second), /has been upgraded/);
      assert.equal(await read('deploy', 'web', '-o', 'jsonpath={.spec.replicas}'), '3');
      assert.equal(await read('service', 'web', '-o', 'jsonpath={.spec.ports[0].port}'), '8080');
      assert.match(await read('hpa', 'web'), /not found/);
      assert.match(await helm('rollback', 'web', '1'), /Rollback was a success/);
      assert.match(await read('hpa', 'web', '-o', 'name'), /horizontalpodautoscaler.autoscaling\/web/);
      assert.equal(await read('service', 'web', '-o', 'jsonpath={.spec.ports[0].port}'), '80');
      assert.match(await helm('history', 'web'), /superseded[\s\S]*superseded[\s\S]*deployed .*Rollback to 1/);
      assert.match(await helm('list'), /web *\tdefault/);
      assert.match(await read('secrets'), /sh.helm.release.v1.web.v3 +helm.sh\/release.v1/);
      assert.match(await helm('uninstall', 'web'), /release "web" uninstalled/);
      assert.match(await read('deploy,svc,ingress,hpa,secret'), /No resources found/);
    });

    test('tells what a chart has wrong', async () => {
      const said = await helm('install', 'wrong', './web', '--set', 'service.port=99999');
      assert.match(said, /spec.ports\[0\].port: Invalid value: 99999: must be between 1 and 65535, inclusive/);
    });

    test('installs a chart with a definition', { skip: 'reason' in loaded && loaded.reason }, async () => {
      const chart = join((loaded as { directory: string }).directory, CHART.path);
      const set = ['--set', 'provider.name=inmemory'];
      assert.match(await helm('install', 'dns', chart, ...set), /STATUS: deployed/);
      assert.match(await read('crd', 'dnsendpoints.externaldns.k8s.io', '-o', 'name'), /dnsendpoints/);
      assert.match(await read('clusterrole', '-l', 'app.kubernetes.io/instance=dns', '-o', 'name'), /dns-external-dns/);
      const more = [...set, '--set', 'sources={service,crd}'];
      assert.match(await helm('upgrade', 'dns', chart, ...more), /has been upgraded/);
      const path = 'jsonpath={.spec.template.spec.containers[0].args}';
      assert.match(await read('deploy', 'dns-external-dns', '-o', path), /--source=crd/);
      assert.match(await helm('rollback', 'dns', '1'), /Rollback was a success/);
      assert.doesNotMatch(await read('deploy', 'dns-external-dns', '-o', path), /--source=crd/);
      assert.match(await helm('uninstall', 'dns'), /uninstalled/);
    });
  });
}
