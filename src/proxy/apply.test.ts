import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type LogFields, type Logger, silentLogger } from '../lib/log.ts';
import { Applier } from './apply.ts';
import type { Changes, Conflict, Plan, StaleFlow } from './mode.ts';

/** A mode whose transactions are the names of Services, and a kernel that refuses some of them. */
function setup({
  bad = [] as string[],
  base = true,
  conflicts = [] as Conflict[],
  staleFlows = [] as StaleFlow[],
} = {}) {
  const refused = new Set(bad);
  const state = { base, applied: [] as string[], committed: [] as string[], forgotten: [] as StaleFlow[] };
  const logged: { message: string; fields: LogFields | undefined }[] = [];
  const log: Logger = {
    ...silentLogger,
    error: (message, fields) => void logged.push({ message, fields }),
    warn: (message, fields) => void logged.push({ message, fields }),
  };
  const plan =
    (prefix: string) =>
    (changes: Changes): Plan => {
      const commands = [prefix, ...changes.keys()].join(' ').trim();
      return { commands, conflicts, staleFlows, commit: () => void state.committed.push(commands) };
    };
  const applier = new Applier({
    mode: { reset: plan('reset'), update: plan('') },
    run: async ({ commands }) => {
      if (!state.base || commands.split(' ').some((word) => refused.has(word))) throw new Error(`refused: ${commands}`);
      state.applied.push(commands);
    },
    forget: async (flows) => void state.forgotten.push(...flows),
    log,
  });
  const services = (...names: string[]) => new Map(names.map((name) => [name, []]));
  return { applier, state, refused, logged, services };
}

describe('Applier', () => {
  it('applies changes in one transaction, and nothing when there is none', async () => {
    const { applier, state, services } = setup();
    await applier.replace(services('a', 'b'));
    await applier.update(services('b', 'c'));
    await applier.update(services());
    assert.deepEqual(state.applied, ['reset a b', 'b c']);
    assert.deepEqual(state.committed, state.applied);
  });

  it('names the Service whose rules are refused; the others go through; it is tried again', async () => {
    const { applier, state, refused, logged, services } = setup({ bad: ['c'] });
    await applier.update(services('a', 'b', 'c', 'd', 'e'));
    assert.deepEqual(state.applied.flatMap((text) => text.split(' ')).sort(), ['a', 'b', 'd', 'e']);
    assert.deepEqual(
      logged.map(({ message, fields }) => [message, fields?.['service']]),
      [['rules were refused', 'c']],
    );
    assert.equal(applier.refused.size, 1);
    await applier.update(services('a'));
    assert.equal(applier.refused.size, 1);
    refused.clear();
    await applier.retry();
    assert.equal(state.applied.at(-1), 'c');
    assert.equal(applier.refused.size, 0);
  });

  it('a bad Service at the start does not keep the others out', async () => {
    const { applier, state, services } = setup({ bad: ['b'] });
    await applier.replace(services('a', 'b', 'c'));
    assert.deepEqual(state.applied, ['reset', 'a', 'c']);
    assert.equal(applier.refused.size, 1);
  });

  it('replace rejects when nothing goes through at all', async () => {
    const { applier, state, services } = setup({ base: false });
    await assert.rejects(applier.replace(services('a')), /refused: reset/);
    assert.deepEqual(state.committed, []);
  });

  it('renew replaces what is good at once, and tries the rest apart', async () => {
    const { applier, state, services } = setup({ bad: ['b'] });
    await applier.update(services('a', 'b'));
    await applier.renew(services('a', 'b', 'c'));
    assert.deepEqual(state.applied, ['a', 'reset a c']);
    assert.equal(applier.refused.size, 1);
  });

  it('gives up looking for single culprits when everything is refused', async () => {
    const names = Array.from({ length: 5000 }, (_, index) => `s${index}`);
    const { applier, logged, services } = setup({ base: false });
    await applier.update(services(...names));
    assert.equal(applier.refused.size, 5000);
    assert.ok(logged.length < 100, `${logged.length} lines`);
  });

  it('tells conflicts, and forgets stale flows once the rules are in', async () => {
    const conflict = { service: 'b', owner: 'a', frontend: '192.0.2.1 . tcp . 80' };
    const flow = { frontendIp: '10.96.0.1', frontendPort: 53, endpointIp: '10.244.0.1', endpointPort: 53 };
    const { applier, state, logged, services } = setup({ conflicts: [conflict], staleFlows: [flow] });
    await applier.update(services('b'));
    assert.deepEqual(logged, [{ message: 'address and port belong to another Service', fields: conflict }]);
    assert.deepEqual(state.forgotten, [flow]);
  });
});
