import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '../../testing/clock.ts';
import { Balancer } from './balancer.ts';

const [a, b, c] = [1, 2, 3].map((last) => ({ ip: `10.244.0.${last}`, port: 80 })) as [Target, Target, Target];
type Target = { ip: string; port: number };

function setup(endpoints: readonly Target[], affinitySeconds = 0) {
  const clock = new FakeClock();
  const balancer = new Balancer({ endpoints, affinitySeconds }, clock);
  const picks = (client: string, count: number) =>
    Array.from({ length: count }, () => balancer.pick(client)?.ip.slice('10.244.0.'.length)).join('');
  return { clock, balancer, picks };
}

describe('Balancer', () => {
  it('gives each endpoint its turn', () => {
    assert.equal(setup([a, b, c]).picks('x', 6), '123123');
  });

  it('has nothing to give without endpoints, or when all have failed', () => {
    assert.equal(setup([]).balancer.pick('x'), undefined);
    assert.equal(setup([a, b]).balancer.pick('x', new Set([a, b])), undefined);
    assert.equal(setup([a, b]).balancer.pick('x', new Set([a])), b);
  });

  it('a client stays with its endpoint until it was silent for the whole time', () => {
    const { clock, picks } = setup([a, b, c], 60);
    assert.equal(picks('x', 3) + picks('y', 2), '11122');
    for (let minute = 0; minute < 3; minute++) {
      clock.advance(59_000);
      assert.equal(picks('x', 1), '1');
    }
    clock.advance(61_000);
    assert.equal(picks('x', 1), '3');
  });

  it('a client moves on when its endpoint fails or is gone, and stays where it came to', () => {
    const { balancer, picks } = setup([a, b, c], 60);
    assert.equal(picks('x', 1), '1');
    assert.equal(balancer.pick('x', new Set([a])), c);
    assert.equal(picks('x', 2), '33');
    balancer.setTargets({ endpoints: [a, b], affinitySeconds: 60 });
    const next = picks('x', 1);
    assert.notEqual(next, '3');
    balancer.setTargets({ endpoints: [a, b, c], affinitySeconds: 60 });
    assert.equal(picks('x', 2), next + next);
  });
});
