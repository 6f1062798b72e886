import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { obstacle, plan, sampan, sampanFails, second, startCluster, stopCluster } from './cluster.ts';

/** Chains of the Service `kubernetes` have this name on every cluster in the world. */
const KUBERNETES_CHAIN = 'KUBE-SVC-NPX46M4PTMTKRN6Y';

function onNode(...command: string[]): Promise<string> {
  return sampan('node', '--name', plan.name, 'node-2', '--', 'sh', '-c', command.join(' '));
}

/** The API server, by its Service. */
function askService(): Promise<string> {
  return onNode('curl', '-sk', '--max-time', '5', 'https://10.96.0.1/version');
}

function rules(): Promise<string> {
  return onNode('nft list ruleset; iptables-save');
}

describe('modes of the proxy', { skip: obstacle() ?? false, timeout: 300_000 }, () => {
  before(startCluster);
  after(async () => {
    assert.deepEqual(await stopCluster(), []);
    await sampan('down', '--name', second.name);
  });

  test('a node changes its mode while it runs, the others do not', async () => {
    await sampan('proxy', '--name', plan.name, '--mode', 'iptables', 'node-2');
    const table = await sampan('proxy', '--name', plan.name);
    assert.match(table, /^node-1 +nftables +nftables\nnode-2 +iptables +iptables\nnode-3 +nftables +nftables\n/m);
    assert.match(await rules(), new RegExp(`-A KUBE-SERVICES .*-j ${KUBERNETES_CHAIN}`));
    assert.doesNotMatch(await rules(), /table ip sampan/);
    assert.match(await askService(), /"gitVersion"/);
  });

  test('from there to the proxy that is a process, and back', async () => {
    await sampan('proxy', '--name', plan.name, '--mode', 'userspace', 'node-2');
    assert.match(await onNode('ss -ltn'), /10\.89\.0\.12:[12]\d{4} /);
    assert.match(await askService(), /"gitVersion"/);
    await sampan('proxy', '--name', plan.name, '--mode', 'nftables', 'node-2');
    assert.doesNotMatch(await rules(), /KUBE-/);
    assert.match(await askService(), /"gitVersion"/);
  });

  test('without IPVS in the kernel, ipvs is iptables', async () => {
    await sampan('proxy', '--name', plan.name, '--mode', 'ipvs/lc', 'node-2');
    assert.match(await sampan('proxy', '--name', plan.name, 'node-2'), /^node-2 +(iptables|ipvs) +ipvs\/lc\n/m);
    assert.match(await askService(), /"gitVersion"/);
    await sampan('proxy', '--name', plan.name, '--mode', 'nftables');
  });

  test('what is no mode is refused; rules of running nodes are not removed', async () => {
    assert.match(await sampanFails('proxy', '--name', plan.name, '--mode', 'ebpf'), /--mode: expected nftables/);
    assert.match(await sampanFails('up', '--name', 'x', '--proxy-mode', 'node-1=ipvs/fast'), /--proxy-mode: expected/);
    assert.match(await sampanFails('proxy', '--name', plan.name, '--cleanup', 'node-2'), /node-2 runs/);
  });

  test('a cluster may begin with any mode', async () => {
    const port = String(second.port);
    await sampan(
      'up',
      '--name',
      second.name,
      '--nodes',
      '1',
      '--port',
      port,
      '--proxy-mode',
      'userspace,node-1=iptables',
    );
    assert.match(await sampan('proxy', '--name', second.name), /^node-1 +iptables +iptables\n/m);
  });
});
