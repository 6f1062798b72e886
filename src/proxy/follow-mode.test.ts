import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodes } from '../api/kinds/node.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock, turn } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { followMode } from './follow-mode.ts';
import { MODE_ANNOTATION, type ModeChoice, parseModeChoice } from './mode.ts';

function setup() {
  const informers = new PlainInformers();
  const clock = new FakeClock();
  const stop = new AbortController();
  const state = {
    taken: false,
    refuse: false,
    switched: [] as string[],
    release: undefined as (() => void) | undefined,
    hold: false,
  };
  const switchTo = async ({ mode, scheduler }: ModeChoice) => {
    if (state.hold) await new Promise<void>((resolve) => (state.release = resolve));
    if (state.refuse) throw new Error('no such program');
    state.switched.push(scheduler ? `${mode}/${scheduler}` : mode);
  };
  const shared = { informers, clock, log: silentLogger, signal: stop.signal };
  const intact = async () => !state.taken;
  followMode({ ...shared, nodeName: 'node-1', configured: { mode: 'nftables' }, switchTo, intact });
  const annotate = async (mode?: string, name = 'node-1') => {
    const annotations: Record<string, string> = mode === undefined ? {} : { [MODE_ANNOTATION]: mode };
    informers.of(nodes).set({ apiVersion: 'v1', kind: 'Node', metadata: { name, annotations } });
    for (let turns = 0; turns < 5; turns++) await turn();
  };
  return { state, clock, stop, annotate };
}

describe('followMode', () => {
  it('follows the annotation of its own node, and goes back to what was configured', async () => {
    const { state, annotate } = setup();
    await annotate();
    await annotate('userspace', 'node-2');
    await annotate('iptables');
    await annotate('iptables');
    await annotate('ipvs/wrr');
    await annotate();
    assert.deepEqual(state.switched, ['iptables', 'ipvs/wrr', 'nftables']);
  });

  it('a mode that nobody knows changes nothing', async () => {
    const { state, annotate } = setup();
    await annotate('ebpf');
    assert.deepEqual(state.switched, []);
  });

  it('tries again later when a mode can not be had', async () => {
    const { state, clock, annotate } = setup();
    state.refuse = true;
    await annotate('iptables');
    state.refuse = false;
    clock.advance(10_000);
    await annotate('iptables');
    assert.deepEqual(state.switched, ['iptables']);
  });

  it('one change at a time: of what was wanted meanwhile, the last comes', async () => {
    const { state, annotate } = setup();
    state.hold = true;
    await annotate('iptables');
    await annotate('userspace');
    await annotate('ipvs');
    state.hold = false;
    state.release!();
    await annotate('ipvs');
    assert.deepEqual(state.switched, ['iptables', 'ipvs']);
  });

  it('sets the same mode again when its rules were taken away', async () => {
    const { state, clock, annotate } = setup();
    await annotate('iptables');
    clock.advance(30_000);
    await annotate('iptables');
    assert.deepEqual(state.switched, ['iptables']);
    state.taken = true;
    clock.advance(30_000);
    await annotate('iptables');
    assert.deepEqual(state.switched, ['iptables', 'iptables']);
    state.taken = false;
    clock.advance(30_000);
    await annotate('iptables');
    assert.equal(state.switched.length, 2);
  });

  it('stops with its signal', async () => {
    const { state, clock, stop, annotate } = setup();
    state.refuse = true;
    await annotate('iptables');
    stop.abort();
    assert.equal(clock.pending, 0);
    await annotate('userspace');
    assert.deepEqual(state.switched, []);
  });
});

describe('parseModeChoice', () => {
  for (const [text, choice] of [
    ['nftables', { mode: 'nftables' }],
    ['ipvs/mh', { mode: 'ipvs', scheduler: 'mh' }],
    ['ipvs/fastest', undefined],
    ['iptables/rr', undefined],
    ['ipvs/rr/x', undefined],
    ['', undefined],
  ] as const)
    it(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(parseModeChoice(text), choice));
});
