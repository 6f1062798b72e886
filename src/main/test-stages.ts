import { globSync } from 'node:fs';

/** A part of the tests, from the quickest to the most real. */
export interface TestStage {
  readonly name: string;
  /** Programs that must succeed, each counted as one test. */
  readonly checks: readonly { readonly name: string; readonly command: readonly [string, ...string[]] }[];
  /** Globs of test files, from the project's root. */
  readonly files: readonly string[];
  /** Test files that may run at the same time. */
  readonly concurrency: number;
  /** A test file that takes longer has failed. */
  readonly timeoutMs: number;
  /** Clusters that the stage's tests start: taken down after them, whatever happened. */
  readonly clusters: readonly string[];
}

const MINUTE_MS = 60_000;
const BIN = 'node_modules/.bin';

/** All stages in the order in which they run. */
export const testStages: readonly TestStage[] = [
  {
    name: 'check',
    checks: [
      { name: 'types (tsc)', command: [`${BIN}/tsc`, '-p', '.'] },
      { name: 'lint and format (biome)', command: [`${BIN}/biome`, 'check', '--diagnostic-level=warn', '.'] },
    ],
    files: ['test/*.test.ts'],
    concurrency: 2,
    timeoutMs: 2 * MINUTE_MS,
    clusters: [],
  },
  { name: 'unit', checks: [], files: ['src/**/*.test.ts'], concurrency: 4, timeoutMs: 2 * MINUTE_MS, clusters: [] },
  {
    name: 'host',
    checks: [],
    files: ['test/host/**/*.test.ts'],
    concurrency: 1,
    timeoutMs: 10 * MINUTE_MS,
    clusters: [],
  },
  {
    name: 'e2e',
    checks: [],
    files: ['test/e2e/**/*.test.ts'],
    concurrency: 1,
    timeoutMs: 10 * MINUTE_MS,
    clusters: ['e2e', 'e2e-second'],
  },
];

/** Stages by their names. Throws when one is not known. */
export function selectStages(names: string | undefined): readonly TestStage[] {
  if (names === undefined) return testStages;
  return names.split(',').map((name) => {
    const stage = testStages.find((candidate) => candidate.name === name);
    if (!stage) throw new Error(`test stage ${name}: expected ${testStages.map((one) => one.name).join(', ')}`);
    return stage;
  });
}

/** Test files of a stage; only those that end with one of `wanted`, when any is. */
export function stageFiles(stage: TestStage, root: string, wanted: readonly string[]): string[] {
  const found = globSync([...stage.files], { cwd: root }).sort();
  return wanted.length === 0
    ? found
    : found.filter((file) => wanted.some((want) => file.endsWith(want.replace(/^\.\//, ''))));
}
