import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lanIpv6, planNetworks } from './networks.ts';

describe('planNetworks', () => {
  it('IPv4 unless asked', () => {
    assert.deepEqual(planNetworks({}), {
      serviceCidr: '10.96.0.0/16',
      clusterCidr: '10.244.0.0/16',
      dnsServiceIp: '10.96.0.10',
      ipv6: undefined,
    });
  });

  it('both families', () => {
    const serviceCidr = '10.100.0.0/16,fd00:10:96::/108';
    const clusterCidr = '10.200.0.0/16,fd00:10:244::/48';
    assert.deepEqual(planNetworks({ serviceCidr, clusterCidr }), {
      serviceCidr: '10.100.0.0/16',
      clusterCidr: '10.200.0.0/16',
      dnsServiceIp: '10.100.0.10',
      ipv6: {
        serviceCidr: 'fd00:10:96::/108',
        clusterCidr: 'fd00:10:244::/48',
        lanAddress: 'fd00:10:89::1',
        lanPrefix: 64,
      },
    });
    assert.equal(lanIpv6(12), 'fd00:10:89::12');
  });

  const wrong: [object, RegExp][] = [
    [{ serviceCidr: '10.96.0.0' }, /expected an IPv4 network/],
    [{ serviceCidr: 'fd00::/108,10.96.0.0/16' }, /expected an IPv4 network/],
    [{ serviceCidr: '10.96.0.0/16,fd00::/108' }, /same families/],
    [{ clusterCidr: '10.244.0.0/25' }, /prefix of at most 24/],
    [{ serviceCidr: '10.96.0.0/30' }, /too small/],
  ];
  for (const [options, expected] of wrong)
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => planNetworks(options), expected);
    });
});
