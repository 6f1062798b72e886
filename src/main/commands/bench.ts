import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runInteractive } from '../../host/exec.ts';
import { type RunCommand, UsageError } from '../command.ts';

/** Benchmarks in the order in which they run: files of bench/. */
const BENCHMARKS = [
  'api',
  'dns',
  'endpoints',
  'ingress',
  'pods',
  'containers',
  'cluster',
  'rollout',
  'proxy',
  'proxy-peers',
];

export const run: RunCommand = async ({ operands }, { root, program }) => {
  const known = BENCHMARKS.filter((name) => existsSync(join(root, 'bench', `${name}.ts`)));
  const wrong = operands.find((name) => !known.includes(name));
  if (wrong) throw new UsageError(`benchmark ${wrong}: expected one of ${known.join(', ')}`);
  for (const name of operands.length > 0 ? operands : known) {
    const code = await runInteractive([program[0], join(root, 'bench', `${name}.ts`)]);
    if (code !== 0) return code;
  }
  return 0;
};
