import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { netnsPath } from '../../src/host/netns.ts';
import { world } from '../../src/proxy/contract.ts';
import { servicePort } from '../../src/proxy/ports.fixture.ts';
import { ModeBench, testMode, whyNot } from './proxy-mode.ts';

// Debian has both: the one over nftables is its own choice, the other is what older kernels and distributions run.
testMode({ mode: 'iptables', options: { iptables: 'nft' }, programs: ['iptables-nft-restore'] });
testMode({ mode: 'iptables', options: { iptables: 'legacy' }, programs: ['iptables-legacy-restore'] });

const IPV6 = { clusterCidr: 'fd00:244::/56', serviceCidr: 'fd00:96::/112', nodeIps: ['fd00:89::11'] };
const PROGRAMS = ['ip6tables-nft-restore', 'ip6tables-legacy-restore'];

describe('rules for IPv6', { skip: whyNot(PROGRAMS) ?? false, timeout: 60_000 }, () => {
  const bench = new ModeBench(`sptest-${process.pid}-ipv6`);
  const to = [1, 2].map((last) => ({ ip: `fd00:244::${last}`, port: 8080 }));
  const lists = { family: 6, internal: to, external: to, cluster: to } as const;
  const none = { family: 6, internal: [], external: [], cluster: [] } as const;
  const guarded = { loadBalancerIps: ['fd00:99::1'], sourceRanges: ['fd00:1::/64'], nodePort: 30001 };
  const services = [
    ['a', [servicePort('fd00:96::1', [], { ...lists, ...guarded, affinitySeconds: 60 })]],
    [
      'b',
      [servicePort('fd00:96::2', [], { ...lists, protocol: 'UDP', keepSource: true, external: [], nodePort: 30002 })],
    ],
    ['c', [servicePort('fd00:96::3', [], none), servicePort('fd00:96::3', [], { ...none, protocol: 'SCTP' })]],
  ] as const;

  before(() => bench.start({ mode: 'iptables' }, {}));
  after(() => bench.stop());

  for (const variant of ['nft', 'legacy'] as const)
    it(`the kernel takes them, by way of ${variant}`, async () => {
      const options = { addresses: { ...world, nodeIps: [world.nodeIp], ipv6: IPV6 }, iptables: variant };
      const node = bench.lan.peer('node');
      await node.request({ do: 'open', choice: { mode: 'iptables' }, options });
      assert.deepEqual(await node.request({ do: 'apply', changes: services }), { text: '[]' });
      const list = [
        'nsenter',
        `--net=${netnsPath(bench.lan.netns('node'))}`,
        '--',
        `ip6tables-${variant}-save`,
      ] as const;
      const rules = (await run([...list])).stdout;
      assert.match(rules, /--to-destination \[fd00:244::1\]:8080/);
      assert.match(rules, /-A KUBE-FW-\w+ -s fd00:1::\/64 /);
      await node.request({ do: 'cleanup' });
      assert.doesNotMatch((await run([...list])).stdout, /KUBE/);
    });
});
