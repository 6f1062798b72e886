import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { netnsPath } from '../../src/host/netns.ts';
import { leftovers } from '../../src/local/down.ts';
import { ROOT } from '../source.ts';
import { kubectlEnvironment, obstacle, sampan, second } from './cluster.ts';

const SERVICE_CIDR = '10.96.0.0/16,fd00:10:96::/108';
const CLUSTER_CIDR = '10.244.0.0/16,fd00:10:244::/48';
const SERVE = 'mkdir -p /www && hostname > /www/index.html && exec httpd -f -p [::]:80 -h /www';

const WEB = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'six' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'six' } },
        template: {
          metadata: { labels: { app: 'six' } },
          spec: {
            terminationGracePeriodSeconds: 1,
            containers: [
              { name: 'web', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', SERVE] },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'six' },
      spec: {
        type: 'NodePort',
        selector: { app: 'six' },
        ipFamilyPolicy: 'RequireDualStack',
        ports: [{ port: 80, nodePort: 30086 }],
      },
    },
  ],
};

async function kubectl(words: readonly string[], input?: string): Promise<string> {
  const env = { ...kubectlEnvironment('1.35'), KUBECONFIG: second.kubeconfig };
  return (await run(['kubectl', ...words], { env, cwd: ROOT, timeoutMs: 60_000, ...(input && { input }) })).stdout;
}

const field = (path: string) => kubectl(['get', 'service', 'six', '-o', `jsonpath=${path}`]);

/** What comes back from inside one of the cluster's namespaces. */
async function ask(netns: string, url: string): Promise<string> {
  return (await run(['nsenter', `--net=${netnsPath(netns)}`, '--', 'curl', '-sS', '-m', '5', url])).stdout.trim();
}

describe('a cluster of both families', { skip: obstacle() ?? false, timeout: 240_000 }, () => {
  const [node] = second.nodes;

  before(async () => {
    await sampan('image', 'build', '--name', second.name);
    const networks = ['--service-cidr', SERVICE_CIDR, '--cluster-cidr', CLUSTER_CIDR];
    await sampan('up', '--name', second.name, '--nodes', '1', '--port', String(second.port), ...networks);
    await kubectl(['apply', '-f', '-'], JSON.stringify(WEB));
    await kubectl(['rollout', 'status', 'deployment/six', '--timeout=50s']);
    await kubectl(['wait', '--for=condition=sampan.dev/Programmed', 'service/six', '--timeout=20s']);
  });
  after(async () => {
    await sampan('down', '--name', second.name);
    assert.deepEqual(leftovers(second), []);
  });

  test('pods and Services have an address of each', async () => {
    assert.equal(await field('{.spec.ipFamilies}'), '["IPv4","IPv6"]');
    const ips = await kubectl(['get', 'pods', '-o', 'jsonpath={range .items[*]}{.status.podIPs[*].ip}{"\\n"}{end}']);
    for (const line of ips.trim().split('\n')) assert.match(line, /^10\.244\.\S+ fd00:10:244:\S+$/);
    const slices = await kubectl(['get', 'endpointslices', '-l', 'kubernetes.io/service-name=six', '-o', 'name']);
    assert.equal(slices.trim().split('\n').length, 2);
  });

  test('the Service answers at both of its addresses, from the node and from a pod, and at its node port', async () => {
    const [ipv4, ipv6] = JSON.parse(await field('{.spec.clusterIPs}')) as [string, string];
    assert.match(ipv6, /^fd00:10:96:/);
    for (const url of [`http://${ipv4}/`, `http://[${ipv6}]/`]) assert.match(await ask(node!.netns, url), /^six-/);
    assert.match(await ask(second.lan.netns, `http://[${node!.ipv6 ?? 'fd00:10:89::11'}]:30086/`), /^six-/);
    const exec = ['exec', 'deployment/six', '--', 'wget', '-q', '-O', '-', `http://[${ipv6}]/`];
    assert.match(await kubectl(exec), /^six-/);
  });

  test('its name leads to both', async () => {
    const words = ['exec', 'deployment/six', '--', 'nslookup', '-type=aaaa', 'six.default.svc.cluster.local'];
    assert.match(await kubectl(words), /Address: fd00:10:96:/);
  });
});
