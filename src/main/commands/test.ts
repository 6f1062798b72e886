import { join } from 'node:path';
import { run as runTests } from 'node:test';
import { CommandError, run as runProgram } from '../../host/exec.ts';
import { down, leftovers } from '../../local/down.ts';
import { planCluster } from '../../local/plan.ts';
import { readRecord } from '../../local/record.ts';
import type { CommandContext, RunCommand } from '../command.ts';
import { localContext } from '../local-context.ts';
import { TestReport } from '../test-report.ts';
import { selectStages, stageFiles, type TestStage } from '../test-stages.ts';
import { setUp } from './setup.ts';

export const run: RunCommand = async ({ flags, operands }, context) => {
  const stages = selectStages(flags['stage'] as string | undefined);
  if (stages.some((stage) => stage.name === 'host' || stage.name === 'e2e')) await setUp(context, { tests: true });
  const report = new TestReport({ write: context.out, root: context.root });
  for (const stage of stages) {
    const before = report.counts;
    const start = context.clock.now();
    await runStage({ stage, wanted: operands, report, context });
    report.stageLine(stage.name, before, context.clock.now() - start);
    if (context.signal.aborted) break;
  }
  report.end();
  return report.counts.failed === 0 && report.counts.passed > 0 && !context.signal.aborted ? 0 : 1;
};

interface StageRun {
  stage: TestStage;
  wanted: readonly string[];
  report: TestReport;
  context: CommandContext;
}

async function runStage({ stage, wanted, report, context }: StageRun): Promise<void> {
  const checks = wanted.length === 0 ? stage.checks : [];
  for (const check of checks) await runCheck({ ...check, report, context });
  const files = stageFiles(stage, context.root, wanted).map((file) => join(context.root, file));
  if (files.length === 0) return;
  try {
    await runFiles({ files, stage, report, context });
  } finally {
    for (const cluster of stage.clusters) await cleanUp(cluster, report, context);
  }
}

async function runCheck(check: {
  name: string;
  command: readonly [string, ...string[]];
  report: TestReport;
  context: CommandContext;
}): Promise<void> {
  const { name, command, report, context } = check;
  const [program, ...words] = command;
  try {
    await runProgram([context.program[0], join(context.root, program), ...words], { cwd: context.root });
    report.check(name);
  } catch (error) {
    report.check(name, error instanceof CommandError ? `${error.stdout}${error.stderr}` : String(error));
  }
}

async function runFiles(task: {
  files: string[];
  stage: TestStage;
  report: TestReport;
  context: CommandContext;
}): Promise<void> {
  const { files, stage, report, context } = task;
  const { concurrency, timeoutMs: timeout } = stage;
  const events = runTests({ files, concurrency, timeout, signal: context.signal, cwd: context.root });
  for await (const event of events) report.add(event);
}

/** A crash of a test must leave nothing behind: that nothing is left is itself a test. */
async function cleanUp(cluster: string, report: TestReport, context: CommandContext): Promise<void> {
  const plan = planCluster(readRecord(cluster) ?? { name: cluster, nodes: 1, port: 1 });
  const name = `nothing is left of cluster ${cluster}`;
  try {
    await down(plan, localContext(context));
    const left = leftovers(plan);
    report.check(name, left.length > 0 ? left.join('\n') : undefined);
  } catch (error) {
    report.check(name, String(error));
  }
}
