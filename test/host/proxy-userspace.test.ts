import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { world } from '../../src/proxy/contract.ts';
import { ModeBench, testMode, whyNot } from './proxy-mode.ts';

const programs = ['iptables-restore'];

testMode({ mode: 'userspace', programs, relays: true, forgetsUdp: true });

describe('userspace: what no other mode can do', { skip: whyNot(programs) ?? false, timeout: 60_000 }, () => {
  const bench = new ModeBench(`sptest-${process.pid}-retry`, { relays: true });
  before(() => bench.start({ mode: 'userspace' }, {}));
  after(() => bench.stop());

  it('a pod that does not answer is passed over', async () => {
    // Nobody has this address: its packets are lost without a word.
    await bench.setEndpoints('plain', ['10.244.1.99', world.pods['pod-b']]);
    const flow = { from: 'pod-a', to: '10.96.1.1', port: 80, protocol: 'TCP', expect: 'reject' } as const;
    assert.deepEqual(await bench.hear(flow, []), [`${world.pods['pod-b']} 169.254.1.1`]);
  });
});
