import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CommandError, run } from '../../src/host/exec.ts';
import { ROOT } from '../source.ts';
import { kubectl, kubectlEnvironment, obstacle, startCluster, stopCluster } from './cluster.ts';

/** Applies a manifest; resolves with what kubectl said, whether it went well or not. */
async function apply(manifest: string): Promise<string> {
  const options = { env: kubectlEnvironment('1.35'), cwd: ROOT, input: manifest, timeoutMs: 60_000 };
  try {
    return (await run(['kubectl', 'apply', '-f', '-'], options)).stdout;
  } catch (error) {
    if (error instanceof CommandError) return error.stderr;
    throw error;
  }
}

function pod(name: string, container: string): string {
  return `{apiVersion: v1, kind: Pod, metadata: {name: ${name}}, spec: {terminationGracePeriodSeconds: 1, containers: [${container}]}}`;
}

function waitFor(name: string, reason: string): Promise<string> {
  const path = `jsonpath={.status.containerStatuses[0].state.waiting.reason}=${reason}`;
  return kubectl('wait', `pod/${name}`, `--for=${path}`, '--timeout=30s');
}

describe('mistakes and refusals', { skip: obstacle() ?? false }, () => {
  before(startCluster);
  after(async () => assert.deepEqual(await stopCluster(), []));

  test('a manifest that is wrong is refused with its field, its value and the rule', async () => {
    const service = (spec: string) => `{apiVersion: v1, kind: Service, metadata: {name: wrong}, spec: ${spec}}`;
    const rows: [string, RegExp][] = [
      [service('{portz: [], ports: [{port: 80}]}'), /strict decoding error: unknown field "spec.portz"/],
      [
        service('{ports: [{port: 70000}]}'),
        /spec.ports\[0\].port: Invalid value: 70000: must be between 1 and 65535, inclusive/,
      ],
      [service('{ports: [{port: eighty}]}'), /cannot unmarshal string into Go struct field/],
      [service('{}'), /spec.ports: Required value/],
      [service('{clusterIP: 10.1.2.3, ports: [{port: 80}]}'), /provided IP \(10.1.2.3\) is not in the valid range/],
      [service('{clusterIP: 10.96.0.1, ports: [{port: 80}]}'), /provided IP is already allocated/],
      [
        '{apiVersion: example.com/v1, kind: Nothing, metadata: {name: x}}',
        /no matches for kind "Nothing" in version "example.com\/v1"/,
      ],
      [
        '{apiVersion: v1, kind: Service, metadata: {name: UPPER}, spec: {ports: [{port: 80}]}}',
        /a DNS-1035 label must consist of/,
      ],
      ['{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: nowhere}}', /namespaces "nowhere" not found/],
    ];
    for (const [manifest, message] of rows) assert.match(await apply(manifest), message);
  });

  test('a taken name is refused', async () => {
    await kubectl('create', 'configmap', 'taken');
    await assert.rejects(kubectl('create', 'configmap', 'taken'), /configmaps "taken" already exists/);
  });

  test('an image that is nowhere is said so, and its neighbours run', async () => {
    await apply(pod('lost', '{name: c, image: "example.com/nothing:1"}'));
    await apply(pod('fine', '{name: c, image: nginx, imagePullPolicy: IfNotPresent}'));
    await waitFor('lost', 'ImagePullBackOff');
    await kubectl('wait', '--for=condition=Ready', 'pod/fine', '--timeout=30s');
    assert.match(
      await kubectl('describe', 'pod', 'lost'),
      /Warning\s+Failed\s.*Failed to pull image "example.com\/nothing:1"/,
    );
  });

  test('a ConfigMap that is missing holds the container until it is there', async () => {
    await apply(
      pod('needy', '{name: c, image: nginx, imagePullPolicy: IfNotPresent, envFrom: [{configMapRef: {name: late}}]}'),
    );
    await waitFor('needy', 'CreateContainerConfigError');
    assert.match(await kubectl('get', 'pod', 'needy', '-o', 'yaml'), /configmap "late" not found/);
    await kubectl('create', 'configmap', 'late', '--from-literal=COLOUR=red');
    await kubectl('wait', '--for=condition=Ready', 'pod/needy', '--timeout=30s');
    assert.match(await kubectl('exec', 'needy', '--', 'printenv', 'COLOUR'), /^red$/m);
  });

  test('a Service without endpoints refuses at once, and an address of no Service too', async () => {
    await apply(
      '{apiVersion: v1, kind: Service, metadata: {name: empty}, spec: {clusterIP: 10.96.7.7, selector: {app: none}, ports: [{port: 80}]}}',
    );
    for (const ip of ['10.96.7.7', '10.96.7.8']) {
      await assert.rejects(kubectl('exec', 'fine', '--', 'wget', '-q', '-O-', `http://${ip}`), /Connection refused/);
    }
  });

  test('a pod reaches itself through its Service', async () => {
    await kubectl('expose', 'pod', 'fine', '--port=80', '--selector=app=fine');
    await kubectl('label', 'pod', 'fine', 'app=fine');
    await kubectl('wait', 'endpoints/fine', '--for=jsonpath={.subsets[0].addresses[0].ip}', '--timeout=10s');
    const script = 'until wget -q -O- http://fine 2>/dev/null; do :; done';
    assert.match(await kubectl('exec', 'fine', '--', 'timeout', '10', 'sh', '-c', script), /Welcome to nginx/);
  });

  test('a pod reaches the API server by its Service, and may do what its account may', async () => {
    await kubectl(
      'run',
      'client',
      '--image=radial/busyboxplus:curl',
      '--image-pull-policy=IfNotPresent',
      '--',
      'sleep',
      '600',
    );
    await kubectl('wait', '--for=condition=Ready', 'pod/client', '--timeout=30s');
    const ask = (path: string) =>
      kubectl(
        ...['exec', 'client', '--', 'sh', '-c'],
        `cd /var/run/secrets/kubernetes.io/serviceaccount && curl -s -m 5 --cacert ca.crt -H "Authorization: Bearer $(cat token)" https://kubernetes.default.svc${path}`,
      );
    assert.match(await ask('/version'), /"gitVersion": ?"v1\.35/);
    const refused = /User \\"system:serviceaccount:default:default\\" cannot list resource \\"pods\\"/;
    assert.match(await ask('/api/v1/namespaces/default/pods'), refused);
    await kubectl('delete', 'pod', 'client', '--now');
  });
});
