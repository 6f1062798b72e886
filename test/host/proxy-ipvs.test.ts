import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../source.ts';
import { noGuest, runInGuest } from './user-mode-linux.ts';

const GUEST = fileURLToPath(new URL('ipvs-guest.ts', import.meta.url));
const MODULES = [
  ...['ip_vs', 'rr', 'wrr', 'lc', 'wlc', 'dh', 'sh', 'mh', 'sed', 'nq'].map((name) =>
    name === 'ip_vs' ? name : `ip_vs_${name}`,
  ),
  ...['iptable_nat', 'iptable_filter', 'iptable_mangle', 'ipt_REJECT', 'nf_conntrack_netlink'],
  ...[
    'conntrack',
    'comment',
    'mark',
    'MASQUERADE',
    'addrtype',
    'set',
    'nat',
    'statistic',
    'recent',
    'ipvs',
    'tcpudp',
  ].map((name) => `xt_${name}`),
  ...['ip', 'ipport', 'ipportip', 'ipportnet'].map((name) => `ip_set_hash_${name}`),
  ...['veth', 'dummy', 'bridge'],
];

/** A line of TAP: a test, how it went, and what is in it. */
function parseTap(text: string): { name: string; passed: boolean; details: string }[] {
  const results = [...text.matchAll(/^ *(not )?ok \d+ - (.+)\n((?:.*\n)*?)(?=^ *(?:not )?ok |^# )/gm)];
  return results.map(([, not, name, details]) => ({ name: name!.trim(), passed: !not, details: details! }));
}

describe('proxy mode ipvs in a guest kernel', { skip: noGuest() ?? false, timeout: 480_000 }, async () => {
  const command = [process.execPath, '--test', '--test-reporter=tap', GUEST];
  const output = noGuest()
    ? ''
    : await runInGuest({ modules: MODULES, command, cwd: ROOT, memoryMiB: 1024, timeoutMs: 450_000 });
  const results = parseTap(output);
  it('the guest ran the contract', () => assert.ok(results.length > 15, output));
  for (const { name, passed, details } of results) it(name, () => assert.ok(passed, details));
});
