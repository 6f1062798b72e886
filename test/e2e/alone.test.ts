import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { deleteNetns, ipBatch, netnsPath } from '../../src/host/netns.ts';
import { ROOT } from '../source.ts';
import { kubectl, obstacle, plan, startCluster, stopCluster } from './cluster.ts';
import { curlFrom, eventually } from './eventually.ts';
import { hostKubeconfigWith, kubeconfigWith } from './kubeconfig.ts';

/** A namespace on the nodes' network that is no node; the cluster's teardown takes it, too. */
const OUTSIDE = `sampan-${plan.name}-node-9`;
const OUTSIDE_IP = '10.89.0.19';

async function joinLan(): Promise<void> {
  await ipBatch([`netns add ${OUTSIDE}`]);
  const link = `link add n9 type veth peer name eth0 netns ${OUTSIDE}`;
  await ipBatch([link, `link set n9 master ${plan.lan.bridge}`, 'link set n9 up'], plan.lan.netns);
  const routes = await Promise.all(
    plan.nodes.map(async ({ name, ip }) => {
      const cidr = await kubectl('get', 'node', name, '-o', 'jsonpath={.spec.podCIDR}');
      return `route add ${cidr} via ${ip}`;
    }),
  );
  const own = ['link set lo up', `address add ${OUTSIDE_IP}/24 dev eth0`, 'link set eth0 up'];
  const services = `route add ${plan.serviceCidr} dev eth0 src ${OUTSIDE_IP}`;
  await ipBatch([...own, ...routes, services, 'route add unreachable default'], OUTSIDE);
}

/** A ServiceAccount with one ClusterRole and nothing else; resolves with its token. */
async function account(name: string, role: string): Promise<string> {
  await kubectl('create', 'serviceaccount', name);
  await kubectl('create', 'clusterrolebinding', name, `--clusterrole=${role}`, `--serviceaccount=default:${name}`);
  return (await kubectl('create', 'token', name)).trim();
}

describe('parts of a node by themselves, with their role alone', { skip: obstacle() ?? false }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-alone-'));
  const running: ChildProcess[] = [];
  let clusterIp = '';

  function start(netns: string | undefined, ...words: string[]): void {
    const enter = netns ? ['nsenter', `--net=${netnsPath(netns)}`, '--'] : [];
    const [program = '', ...rest] = [...enter, join(ROOT, 'sampan'), ...words];
    running.push(spawn(program, rest, { stdio: 'ignore' }));
  }

  function configFile(name: string, text: string): string {
    const file = join(directory, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }

  before(async () => {
    await startCluster();
    await kubectl('create', 'deployment', 'web', '--image=nginx', '--replicas=2');
    await kubectl('expose', 'deployment', 'web', '--port=80');
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    clusterIp = await kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}');
  });
  after(async () => {
    for (const child of running) {
      const exit = once(child, 'exit');
      if (child.exitCode === null && child.kill()) await exit;
    }
    rmSync(directory, { recursive: true, force: true });
    await deleteNetns(OUTSIDE);
    assert.deepEqual(await stopCluster(), []);
  });

  test('sampan dns answers the names of the cluster', async () => {
    const config = configFile('dns', hostKubeconfigWith(await account('dns-alone', 'sampan:dns')));
    start(undefined, 'dns', '--kubeconfig', config, '--port', '15353', '--metrics-port', '15354');
    const resolver = new Resolver({ timeout: 500, tries: 1 });
    resolver.setServers(['127.0.0.1:15353']);
    const ask = () => resolver.resolve4('web.default.svc.cluster.local').catch(() => undefined);
    assert.deepEqual(await eventually('an answer', ask), [clusterIp]);
    const metrics = await (await fetch('http://127.0.0.1:15354/metrics')).text();
    assert.match(metrics, /^coredns_dns_responses_total\{rcode="NOERROR"\} \d+$/m);
  });

  test('sampan proxy makes a machine reach Services that is no node', async () => {
    await joinLan();
    assert.equal(await curlFrom(OUTSIDE, `http://${clusterIp}`), undefined);
    const config = configFile('proxy', kubeconfigWith(await account('proxy-alone', 'system:node-proxier')));
    start(OUTSIDE, 'proxy', '--kubeconfig', config, '--node-name', 'outside', '--node-ip', OUTSIDE_IP);
    const page = await eventually('an answer', () => curlFrom(OUTSIDE, `http://${clusterIp}`));
    assert.match(page, /Welcome to nginx/);
    assert.equal(await curlFrom(OUTSIDE, 'http://127.0.0.1:10249/proxyMode'), 'nftables');
  });

  test('sampan lb gives and announces addresses of its own class', async () => {
    const config = configFile('lb', kubeconfigWith(await account('lb-alone', 'sampan:loadbalancer')));
    const pool = '10.89.0.251-10.89.0.254';
    const shared = ['lb', '--kubeconfig', config, '--pool', pool, '--class', 'example.com/own'];
    start(plan.lan.netns, ...shared, '--assign');
    for (const { name, netns } of plan.nodes) {
      start(netns, ...shared, '--node-name', name, '--link', 'eth0', '--broadcast', plan.lan.broadcast);
    }
    const manifest = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'own' },
      spec: {
        type: 'LoadBalancer',
        loadBalancerClass: 'example.com/own',
        selector: { app: 'web' },
        ports: [{ port: 80 }],
      },
    };
    await kubectl('apply', '-f', configFile('service.json', JSON.stringify(manifest)));
    const path = 'jsonpath={.status.loadBalancer.ingress[0].ip}';
    const ip = await eventually(
      'an address',
      async () => (await kubectl('get', 'service', 'own', '-o', path)) || undefined,
    );
    assert.match(ip, /^10\.89\.0\.25[1-4]$/);
    assert.match(await eventually('an answer', () => curlFrom(plan.lan.netns, `http://${ip}`)), /Welcome to nginx/);
  });

  test('and their roles allow nothing else', async () => {
    const rows: [name: string, words: string[]][] = [
      ['dns-alone', ['get', 'secrets']],
      ['dns-alone', ['list', 'configmaps']],
      ['proxy-alone', ['list', 'pods']],
      ['lb-alone', ['update', 'services']],
      ['lb-alone', ['list', 'secrets']],
    ];
    for (const [name, words] of rows) {
      const asked = kubectl('auth', 'can-i', ...words, `--as=system:serviceaccount:default:${name}`);
      await assert.rejects(asked, `${name} ${words.join(' ')}`);
    }
  });
});
