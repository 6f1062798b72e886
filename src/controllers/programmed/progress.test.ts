import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { programmedCondition } from '../programmed.ts';
import { Progress } from './progress.ts';

function setup(...nodes: string[]): Progress {
  const progress = new Progress();
  for (const node of nodes) progress.setAlive(node, true);
  return progress;
}

const at = (services: number, endpointSlices: number, refused?: string[]) => ({
  services: String(services),
  endpointSlices: String(endpointSlices),
  ...(refused ? { refused } : {}),
});

describe('Progress', () => {
  it('a Service settles, once, with the last node that has it', () => {
    const progress = setup('a', 'b');
    progress.reported('a', at(1, 1));
    progress.reported('b', at(1, 1));
    progress.need('shop/web', 'services', '7');
    progress.need('shop/web', 'endpointSlices', '9');
    assert.deepEqual(progress.reported('a', at(7, 9)), []);
    assert.deepEqual(progress.reported('b', at(7, 8)), []);
    assert.deepEqual(progress.count('shop/web'), { have: 1, of: 2, refused: 0 });
    assert.deepEqual(progress.reported('b', at(8, 9)), ['shop/web']);
    assert.deepEqual(progress.reported('b', at(8, 10)), []);
  });

  it('an older need does not take back a newer one; a forgotten Service settles no more', () => {
    const progress = setup('a');
    progress.need('shop/web', 'services', '7');
    progress.need('shop/web', 'services', '5');
    progress.reported('a', at(6, 0));
    assert.equal(progress.count('shop/web').have, 0);
    progress.forget('shop/web');
    assert.deepEqual(progress.reported('a', at(7, 0)), []);
  });

  it('nodes that are not alive, or report nothing, do not count', () => {
    const progress = setup('a');
    progress.need('shop/web', 'services', '2');
    assert.deepEqual(progress.count('shop/web'), { have: 0, of: 0, refused: 0 });
    progress.reported('a', at(2, 0));
    progress.reported('dead', at(1, 0));
    assert.deepEqual(progress.count('shop/web'), { have: 1, of: 1, refused: 0 });
    assert.equal(progress.setAlive('dead', true), true);
    assert.deepEqual(progress.count('shop/web'), { have: 1, of: 2, refused: 0 });
    assert.equal(progress.setAlive('dead', false), true);
    assert.equal(progress.setAlive('silent', true), false);
    progress.reported('a', undefined);
    assert.equal(progress.count('shop/web').of, 0);
  });

  it('a node that refuses a Service has it not, though it has come far enough', () => {
    const progress = setup('a');
    progress.need('shop/web', 'services', '2');
    assert.deepEqual(progress.reported('a', at(2, 0, ['shop/web'])), []);
    assert.deepEqual(progress.count('shop/web'), { have: 0, of: 1, refused: 1 });
    assert.deepEqual(progress.reported('a', at(2, 0)), ['shop/web']);
  });

  it('slices are carried when the slowest node carries them', () => {
    const progress = setup('a', 'b');
    progress.reported('a', at(0, 5));
    progress.reported('b', at(0, 4));
    assert.equal(progress.carriesSlices(4n), true);
    assert.equal(progress.carriesSlices(5n), false);
  });
});

describe('programmedCondition', () => {
  const rows = [
    [{ have: 3, of: 3, refused: 0 }, 'True', 'RulesInPlace', '3/3 nodes'],
    [{ have: 2, of: 3, refused: 0 }, 'False', 'WaitingForNodes', '2/3 nodes'],
    [{ have: 2, of: 3, refused: 1 }, 'False', 'RulesRefused', '2/3 nodes'],
  ] as const;
  for (const [count, status, reason, message] of rows)
    it(`${message}: ${reason}`, () => {
      assert.deepEqual(programmedCondition(count), { type: 'sampan.dev/Programmed', status, reason, message });
    });
});
