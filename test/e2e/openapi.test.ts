import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { registry } from '../../src/api/registry.ts';
import { Catalog } from '../../src/apiserver/catalog.ts';
import { serveHttps } from '../../src/apiserver/http.ts';
import { createOpenApi } from '../../src/apiserver/openapi/openapi.ts';
import { decodeProtobuf } from '../../src/apiserver/protobuf/decode.ts';
import { createApiServer } from '../../src/apiserver/server.ts';
import { CommandError, run } from '../../src/host/exec.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { KUBECTL_VERSIONS, kubectlPath } from '../../src/local/kubectl.ts';
import { createAuthority, issueCertificate } from '../../src/pki/authority.ts';
import { renderKubeconfig } from '../../src/pki/kubeconfig.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { createRandom } from '../../src/testing/server.ts';
import { ROOT } from '../source.ts';
import { obstacle } from './cluster.ts';

const directory = mkdtempSync(join(tmpdir(), 'sampan-openapi-'));
const kubeconfig = join(directory, 'kubeconfig');
const stop = new AbortController();

function readPackageFile(path: string): string | undefined {
  const file = join(ROOT, 'node_modules', path);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** An API server in memory with nothing behind it, on a free port of 127.0.0.1. */
async function serve(): Promise<void> {
  const authority = createAuthority({ commonName: 'test', clock: systemClock });
  const pair = issueCertificate(authority, { commonName: 'server', ipAddresses: ['127.0.0.1'], usage: 'server' });
  const catalog = new Catalog(registry);
  const server = createApiServer({
    store: createMemoryStore({}),
    catalog,
    clock: systemClock,
    random: createRandom(1),
    log: silentLogger,
    decoders: { 'application/vnd.kubernetes.protobuf': (body) => decodeProtobuf(body).object },
    paths: [createOpenApi({ catalog, readPackageFile })],
  });
  const { ports } = await serveHttps({
    server,
    tls: { cert: pair.certPem, key: pair.keyPem, ca: authority.certPem },
    listen: [{ address: '127.0.0.1', port: 0 }],
    authenticate: () => ({ username: 'test', groups: ['system:masters'] }),
    log: silentLogger,
    signal: stop.signal,
  });
  const user = { token: 'anything' };
  const address = `https://127.0.0.1:${ports[0]}`;
  writeFileSync(kubeconfig, renderKubeconfig({ name: 'test', server: address, caPem: authority.certPem, user }));
}

/** What a pinned kubectl says on both its outputs, whether it went well or not. */
async function kubectl(version: string, words: readonly string[], input = ''): Promise<string> {
  const env = { HOME: directory, KUBECONFIG: kubeconfig };
  try {
    const { stdout, stderr } = await run([kubectlPath(version, ROOT), ...words], { env, input, timeoutMs: 60_000 });
    return stdout + stderr;
  } catch (error) {
    if (error instanceof CommandError) return error.stdout + error.stderr;
    throw error;
  }
}

function deployment(spec: string): string {
  const template = '{metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: nginx}]}}';
  return `apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec: {${spec}, selector: {matchLabels: {a: b}}, template: ${template}}`;
}

describe('kubectl and the API description', { skip: obstacle() ?? false }, () => {
  before(serve);
  after(() => {
    stop.abort();
    rmSync(directory, { recursive: true });
  });

  for (const version of KUBECTL_VERSIONS) {
    test(`kubectl ${version} explains`, async () => {
      const rows: [string[], RegExp][] = [
        [['pod.spec.containers'], /FIELD: containers <\[\]Container>[\s\S]*List of containers belonging to the pod/],
        [['service.spec.sessionAffinity'], /FIELD: sessionAffinity <string>[\s\S]*Used to maintain session affinity/],
        [['deployments', '--recursive'], /GROUP: +apps[\s\S]*terminationGracePeriodSeconds\t<integer>/],
        [['pod.spec.nothing'], /field "nothing" does not exist/],
      ];
      for (const [words, expected] of rows) assert.match(await kubectl(version, ['explain', ...words]), expected);
    });

    test(`kubectl ${version} validates, tries and applies`, async () => {
      const apply = (manifest: string, ...flags: string[]) =>
        kubectl(version, ['apply', '-f', '-', ...flags], manifest);
      await kubectl(version, ['create', 'namespace', 'default']);
      const wrong = /strict decoding error: unknown field "spec.replicaz"/;
      assert.match(await apply(deployment('replicaz: 2')), wrong);
      assert.match(await apply(deployment('replicaz: 2'), '--validate=strict'), wrong);
      const tried = await apply(deployment('replicaz: 2'), '--validate=warn', '--dry-run=server');
      assert.match(tried, /Warning: unknown field "spec.replicaz"/);
      assert.match(tried, /deployment.apps\/d created \(server dry run\)/);
      assert.match(await kubectl(version, ['get', 'deployment', 'd']), /"d" not found/);
      assert.match(await apply(deployment('replicas: 2')), /deployment.apps\/d created/);
      assert.match(await apply(deployment('replicas: 3')), /deployment.apps\/d configured/);
      assert.match(await kubectl(version, ['delete', 'deployment', 'd']), /"d" deleted/);
    });
  }
});
