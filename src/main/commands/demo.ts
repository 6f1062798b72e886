import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run as runProgram } from '../../host/exec.ts';
import { planOfExisting } from '../../local/record.ts';
import { Walk } from '../../local/walk.ts';
import { parseWalkthrough, type Walkthrough } from '../../local/walkthrough.ts';
import type { CommandContext, RunCommand } from '../command.ts';
import { clusterName } from '../local-context.ts';
import { buildExampleImages } from './image.ts';
import { kubectlEnvironment } from './kubectl.ts';
import { setUp } from './setup.ts';
import { startCluster } from './up.ts';

const WALKTHROUGHS = 'examples/walkthroughs';
const FIRST = 'connecting-applications';

export const run: RunCommand = async ({ flags, operands }, context) => {
  const walkthrough = readWalkthrough(context.root, operands[0] ?? FIRST);
  await setUp(context);
  await buildExampleImages(context);
  await startCluster(flags, context);
  const plan = planOfExisting(clusterName(flags));
  const env = kubectlEnvironment({ context, kubeconfig: plan.kubeconfig, version: '1.35' });
  const { clock, signal, root: cwd } = context;
  for (const command of walkthrough.prepare) await runProgram(['bash', '-c', command], { env, cwd, signal });
  const problems = await show(walkthrough, new Walk({ plan, env, cwd, clock, signal }), context);
  context.out(`\nThe cluster stays up. To use it: export KUBECONFIG=${plan.kubeconfig}\n`);
  context.out('kubectl: ./sampan kubectl …; what it runs on: ./sampan status; to end it: ./sampan down\n');
  return problems === 0 ? 0 : 1;
};

/** Throws a readable error for a name that is none. */
function readWalkthrough(root: string, name: string): Walkthrough {
  const directory = join(root, WALKTHROUGHS);
  const names = readdirSync(directory).map((file) => file.replace(/\.yaml$/, ''));
  if (!names.includes(name))
    throw new Error(`walkthrough ${JSON.stringify(name)}: expected one of ${names.join(', ')}`);
  return parseWalkthrough(readFileSync(join(directory, `${name}.yaml`), 'utf8'));
}

/** Shows each step and its output; resolves with the number of steps that did not go as they should. */
async function show(walkthrough: Walkthrough, walk: Walk, { out, terminal }: CommandContext): Promise<number> {
  const bold = (text: string) => (terminal ? `\x1b[1m${text}\x1b[0m` : text);
  let problems = 0;
  out(`\n${bold(`# ${walkthrough.title}`)}\n`);
  for (const step of walkthrough.steps) {
    if (step.section) out(`\n${bold(`## ${step.section}`)}\n`);
    if (step.say) out(`\n${step.say}\n`);
    await walk.step(step, {
      begins: ({ at, command }) => out(`\n${bold(`${at}$ ${command}`)}\n`),
      ended: (shown) => {
        problems += shown.problems.length;
        out(
          [shown.output.trimEnd(), ...shown.problems.map((problem) => `✗ ${problem}`), ''].filter(Boolean).join('\n'),
        );
        out('\n');
      },
    });
  }
  return problems;
}
