import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { netnsPath } from '../../src/host/netns.ts';
import { world } from '../../src/proxy/contract.ts';
import { IPVS_SCHEDULERS } from '../../src/proxy/mode.ts';
import { ModeBench, testMode } from './proxy-mode.ts';

const options = { iptables: 'legacy' } as const;

// Run inside a guest whose kernel has IPVS, and only iptables' older interface.
testMode({ mode: 'ipvs', options, programs: ['ipset', 'ipvsadm', 'iptables-legacy-restore'], forgetsUdp: true });

describe('ipvs: what no other mode has', () => {
  const bench = new ModeBench('sptest-ipvs');
  const inNode = async (...command: [string, ...string[]]) =>
    (await run(['nsenter', `--net=${netnsPath(bench.lan.netns('node'))}`, '--', ...command])).stdout;

  before(() => bench.start({ mode: 'ipvs' }, options));
  after(() => bench.stop());

  it('every scheduler is one of the kernel, and changing it changes nothing else', async () => {
    const addresses = { ...world, nodeIps: [world.nodeIp] };
    for (const scheduler of IPVS_SCHEDULERS) {
      const choice = { mode: 'ipvs', scheduler } as const;
      await bench.lan.peer('node').request({ do: 'open', choice, options: { ...options, addresses } });
      await bench.program('reset');
      const servers = await inNode('ipvsadm', '-Sn');
      const used = new Set([...servers.matchAll(/^-A .* -s (\S+)/gm)].map(([, name]) => name));
      assert.deepEqual([...used], [scheduler]);
      const flow = { from: 'pod-a', to: '10.96.1.15', port: 80, protocol: 'TCP', expect: 'reject' } as const;
      assert.deepEqual(await bench.hear(flow, ['nobody']), [`${world.pods['pod-b']} ${world.pods['pod-a']}`]);
    }
  });

  it('an endpoint that is gone has no weight any more while connections to it are remembered', async () => {
    await bench.setEndpoints('plain', [world.pods['pod-b']]);
    const servers = await inNode('ipvsadm', '-Sn');
    assert.match(servers, /-a -t 10\.96\.1\.1:80 -r 10\.244\.2\.2:8080 -m -w 0/);
    assert.match(servers, /-a -t 10\.96\.1\.1:80 -r 10\.244\.1\.3:8080 -m -w 1/);
  });

  it("an address that no Service has any more is not the node's", async () => {
    assert.match(
      await inNode('ip', 'route', 'show', 'table', 'local'),
      /^local 10\.96\.1\.1 dev kube-ipvs0 .*src 10\.89\.0\.11/m,
    );
    await bench.lan.peer('node').request({ do: 'update', changes: [['contract/plain', []]] });
    assert.doesNotMatch(await inNode('ip', 'route', 'show', 'table', 'local'), /10\.96\.1\.1 /);
    assert.doesNotMatch(await inNode('ip', 'address', 'show', 'dev', 'kube-ipvs0'), /10\.96\.1\.1\//);
  });
});
