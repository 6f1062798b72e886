import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { world } from '../../src/proxy/contract.ts';
import type { ModeName } from '../../src/proxy/mode.ts';
import { ModeBench, whyNot } from './proxy-mode.ts';

const PROGRAMS = ['nft', 'iptables-restore'];
const MARKS: Partial<Record<ModeName, RegExp>> = {
  nftables: /table ip sampan/,
  iptables: /KUBE-SEP-/,
  userspace: /KUBE-SEP-/,
};
const TRIES_MAX = 20_000;

describe('from one mode of the proxy to another', { skip: whyNot(PROGRAMS) ?? false, timeout: 120_000 }, () => {
  const bench = new ModeBench(`sptest-${process.pid}-switch`, { relays: true });
  before(() => bench.start({ mode: 'nftables' }, {}));
  after(() => bench.stop());

  it('no connection is refused or lost meanwhile, and only rules of the new mode are left', async () => {
    const options = { addresses: { ...world, nodeIps: [world.nodeIp] } };
    let done = false;
    const load = async () => {
      const failures: string[] = [];
      let tries = 0;
      while (!done && tries++ < TRIES_MAX) {
        const request = { do: 'ask', protocol: 'TCP', ip: '10.96.1.1', port: 80, timeoutMs: 2000 } as const;
        const answer = await bench.lan.peer('pod-a').request(request);
        if (!('text' in answer) || answer.text === '') failures.push(JSON.stringify(answer));
      }
      return { tries, failures };
    };
    const loads = [load(), load()];
    for (const mode of ['iptables', 'userspace', 'nftables', 'userspace', 'iptables', 'nftables'] as const) {
      await bench.lan.peer('node').request({ do: 'switch', mode, options });
      const rules = await bench.lan.rules();
      for (const mark of Object.values(MARKS))
        assert.equal(mark.test(rules), mark.source === MARKS[mode]!.source, `${mode}: ${mark}`);
    }
    done = true;
    for (const { tries, failures } of await Promise.all(loads)) {
      assert.deepEqual(failures, []);
      assert.ok(tries > 50, `${tries} connections`);
    }
  });
});
