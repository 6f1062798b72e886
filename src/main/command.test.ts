import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommandSpec, commandHelp, overview, parseCall } from './command.ts';
import { commands } from './commands.ts';

const load = () => Promise.reject(new Error('not loaded'));
const spec: CommandSpec = {
  name: 'move',
  summary: 'Move things',
  operands: 'THING…',
  flags: {
    to: { type: 'string', default: 'here', value: 'PLACE', about: 'Where to' },
    fast: { type: 'boolean', short: 'f', about: 'Hurry' },
  },
  load,
};
const wrapper: CommandSpec = { ...spec, name: 'wrap', passesOn: true };

test('parseCall() reads flags, defaults and operands', () => {
  assert.deepEqual(parseCall(spec, ['a', '--to', 'there', '-f', 'b']), {
    flags: { to: 'there', fast: true },
    operands: ['a', 'b'],
  });
  assert.deepEqual(parseCall(spec, []), { flags: { to: 'here' }, operands: [] });
});

test('parseCall() names what is wrong', () => {
  const rows = [
    [['--two', 'x'], /sampan move: .*'--two'.*sampan help move/],
    [['--to'], /sampan move: .*--to.*argument missing/],
    [['--fast=yes'], /sampan move: .*--fast/],
  ] as const;
  for (const [words, message] of rows) assert.throws(() => parseCall(spec, words), { name: 'UsageError', message });
  assert.throws(() => parseCall({ name: 'stay', summary: '', load }, ['away']), /takes no operands, actual: away/);
});

test('parseCall() passes on everything after its own flags', () => {
  const rows = [
    [['get', 'pods', '--to', 'x'], 'here', ['get', 'pods', '--to', 'x']],
    [['--to', 'x', 'get', '-f'], 'x', ['get', '-f']],
    [['--to=x', '-o', 'wide'], 'x', ['-o', 'wide']],
    [['--other', '--to', 'x'], 'here', ['--other', '--to', 'x']],
    [['--help'], 'here', ['--help']],
  ] as const;
  for (const [words, to, operands] of rows) {
    const call = parseCall(wrapper, words);
    assert.deepEqual([call.flags['to'], call.operands], [to, operands], words.join(' '));
  }
});

test('every command has a summary and a help with its flags', () => {
  const text = overview(commands);
  for (const command of commands) {
    assert.ok(text.includes(`  ${command.name} `), command.name);
    for (const flag of Object.keys(command.flags ?? {})) assert.ok(commandHelp(command).includes(`--${flag}`));
  }
  assert.equal(new Set(commands.map((command) => command.name)).size, commands.length);
});
