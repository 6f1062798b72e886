import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { netnsPath } from '../../src/host/netns.ts';
import { runningProcess } from '../../src/local/processes.ts';
import { ROOT } from '../source.ts';
import { kubectl, kubectlEnvironment, obstacle, plan, sampan, startCluster, stopCluster } from './cluster.ts';

const REPLICAS = 10;
const RATE = '60';
const SECONDS_MAX = '60';

const WEB = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'steady' },
      spec: {
        replicas: REPLICAS,
        selector: { matchLabels: { app: 'steady' } },
        template: {
          metadata: { labels: { app: 'steady' } },
          spec: {
            containers: [
              {
                name: 'web',
                image: 'nginx',
                imagePullPolicy: 'IfNotPresent',
                readinessProbe: { httpGet: { path: '/', port: 80 }, periodSeconds: 1 },
              },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'steady' },
      spec: { selector: { app: 'steady' }, ports: [{ port: 80 }] },
    },
  ],
};

interface LoadResult {
  readonly sent: number;
  readonly answered: number;
  readonly failures: object;
}

/** Requests from a node, until the function that it returns is called. */
function startLoad(netns: string, url: string): () => Promise<LoadResult> {
  const program = join(ROOT, 'bench', 'http-load.ts');
  const words = [`--net=${netnsPath(netns)}`, '--', process.execPath, program, url, RATE, SECONDS_MAX];
  const child = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const ended = new Promise<LoadResult>((resolve, reject) => {
    child.on('error', reject).on('close', () => resolve(JSON.parse(text) as LoadResult));
  });
  return () => {
    child.stdin.end();
    return ended;
  };
}

async function restartUnderLoad(loads: readonly (() => Promise<LoadResult>)[]): Promise<void> {
  await kubectl('rollout', 'restart', 'deployment/steady');
  await kubectl('rollout', 'status', 'deployment/steady', '--timeout=50s');
  for (const { sent, answered, failures } of await Promise.all(loads.map((end) => end()))) {
    assert.deepEqual(failures, {});
    assert.equal(answered, sent);
    assert.ok(sent > 0);
  }
}

describe('a rolling update under load', { skip: obstacle() ?? false }, () => {
  before(startCluster);
  after(async () => assert.deepEqual(await stopCluster(), []));

  test('loses no request, with a plain readiness probe and no preStop hook', async () => {
    const environment = { env: kubectlEnvironment('1.35'), cwd: ROOT, timeoutMs: 60_000 };
    await run(['kubectl', 'apply', '-f', '-'], { ...environment, input: JSON.stringify(WEB) });
    await kubectl('rollout', 'status', 'deployment/steady', '--timeout=50s');
    await kubectl('wait', '--for=condition=sampan.dev/Programmed', 'service/steady', '--timeout=20s');
    const condition = '{.status.conditions[?(@.type=="sampan.dev/Programmed")].message}';
    assert.equal(await kubectl('get', 'service', 'steady', '-o', `jsonpath=${condition}`), '3/3 nodes');
    const ip = await kubectl('get', 'service', 'steady', '-o', 'jsonpath={.spec.clusterIP}');
    await restartUnderLoad(plan.nodes.map((node) => startLoad(node.netns, `http://${ip}/`)));
  });

  test('loses none on the way over an Ingress either', async () => {
    const ingress = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'steady' },
      spec: { defaultBackend: { service: { name: 'steady', port: { number: 80 } } } },
    };
    const environment = { env: kubectlEnvironment('1.35'), cwd: ROOT, timeoutMs: 60_000 };
    await run(['kubectl', 'apply', '-f', '-'], { ...environment, input: JSON.stringify(ingress) });
    for (const { ip, netns } of plan.nodes) {
      const curl = [
        'curl',
        '-sf',
        '--retry',
        '20',
        '--retry-delay',
        '1',
        '--retry-all-errors',
        `http://${ip}/`,
      ] as const;
      await run(['nsenter', `--net=${netnsPath(netns)}`, '--', ...curl], { timeoutMs: 60_000 });
    }
    await restartUnderLoad(plan.nodes.map(({ netns, ip }) => startLoad(netns, `http://${ip}/`)));
  });

  const onNode = async (netns: string, ...words: string[]) =>
    (await run(['nsenter', `--net=${netnsPath(netns)}`, '--', 'curl', '-s', '-m', '5', ...words])).stdout;

  test('every proxy tells its health, its mode and how fast it follows endpoints', async () => {
    for (const { netns } of plan.nodes) {
      for (const path of ['healthz', 'livez'])
        assert.equal(await onNode(netns, '-o', '/dev/null', '-w', '%{http_code}', `localhost:10256/${path}`), '200');
      assert.equal(await onNode(netns, '127.0.0.1:10249/proxyMode'), 'nftables');
      const metrics = await onNode(netns, '127.0.0.1:10249/metrics');
      const count = /^kubeproxy_network_programming_duration_seconds_count (\d+)$/m.exec(metrics)?.[1];
      assert.ok(Number(count) >= REPLICAS, `${count} changes of endpoints were followed`);
    }
  });

  test('a load balancer learns at the health port which nodes have endpoints', async () => {
    const spec = {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      selector: { app: 'steady' },
      ports: [{ port: 80 }],
    };
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'balanced' }, spec };
    const environment = { env: kubectlEnvironment('1.35'), cwd: ROOT, timeoutMs: 60_000 };
    await run(['kubectl', 'apply', '-f', '-'], { ...environment, input: JSON.stringify(service) });
    await kubectl('wait', '--for=condition=sampan.dev/Programmed', 'service/balanced', '--timeout=20s');
    const port = await kubectl('get', 'service', 'balanced', '-o', 'jsonpath={.spec.healthCheckNodePort}');
    const nodes = await kubectl('get', 'pods', '-l', 'app=steady', '-o', 'jsonpath={.items[*].spec.nodeName}');
    for (const { name, netns } of plan.nodes) {
      const { service: of, localEndpoints } = JSON.parse(await onNode(netns, `localhost:${port}/`));
      assert.deepEqual(of, { namespace: 'default', name: 'balanced' });
      assert.equal(localEndpoints, nodes.split(' ').filter((node) => node === name).length);
    }
  });

  test('no request is lost while an agent and the server are killed and come back', async () => {
    const ip = await kubectl('get', 'service', 'steady', '-o', 'jsonpath={.spec.clusterIP}');
    const [node] = plan.nodes;
    const end = startLoad(node!.netns, `http://${ip}/`);
    for (const { pid } of [runningProcess(node!.agent)!, runningProcess(plan.server)!]) process.kill(pid, 'SIGKILL');
    await sampan('up', '--name', plan.name);
    await kubectl('wait', '--for=condition=sampan.dev/Programmed', 'service/steady', '--timeout=30s');
    const { sent, answered, failures } = await end();
    assert.deepEqual(failures, {});
    assert.equal(answered, sent);
    assert.ok(sent > 0);
  });
});
