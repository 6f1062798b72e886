import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, type SourceFile } from './source.ts';
import { banned, bans, deadFiles, debris, formatUntidiness, type TreeFile, tooLong } from './tidy-rules.ts';

interface TreeEntry extends TreeFile {
  readonly content: Buffer;
}

/** What is committed, or would be. */
function readTree(): TreeEntry[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const paths = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).split('\0').filter(Boolean);
  return [...new Set(paths)]
    .filter((path) => existsSync(join(ROOT, path)) && statSync(join(ROOT, path)).isFile())
    .map((path) => {
      const content = readFileSync(join(ROOT, path));
      return { path, content, size: content.length, binary: content.subarray(0, 8192).includes(0) };
    });
}

const tree = readTree();
const texts: readonly SourceFile[] = tree
  .filter(({ binary }) => !binary)
  .map(({ path, content }) => ({ path, text: content.toString('utf8') }));

/** Data speaks of the API in the API's own words. */
const isData = (path: string) => path.endsWith('.data.json');

test('the tree holds no banned words or calls', () => {
  const found = texts.filter(({ path }) => !isData(path)).flatMap((file) => banned(file));
  assert.deepEqual(found.map(formatUntidiness), []);
});

test('no line or file of src/ is too long', () => {
  assert.deepEqual(texts.flatMap(tooLong).map(formatUntidiness), []);
});

test('the tree holds no debris', () => {
  assert.deepEqual(tree.flatMap(debris).map(formatUntidiness), []);
});

test('the tree holds no dead files', () => {
  assert.deepEqual(deadFiles(texts.filter(({ path }) => path.endsWith('.ts'))).map(formatUntidiness), []);
});

/** For each ban what it rejects and what it lets pass; samples are put together where other rules would find them here. */
const controls: Record<
  string,
  { rejects: readonly string[]; accepts: readonly string[]; path?: string; exempt?: string }
> = {
  'left-over work': {
    rejects: ['// TO' + 'DO: later', '/* FIX' + 'ME */', 'X' + 'XX'],
    accepts: ['const todos = 1;', 'mkdtemp("a-X' + 'XXXXX")'],
  },
  console: {
    rejects: ["console.log('a');", "console\n  .error('a');"],
    accepts: ["// console.log('a')", "log.info('console.log');"],
    exempt: 'src/main/a.ts',
  },
  timers: {
    rejects: ['setTimeout(f, 1);', 'const t = setInterval(f, 1);', 'AbortSignal.timeout(5)'],
    accepts: ['socket.setTimeout(5);', 'clock.after(1, f);', 'clearTimeout(t);', '// setTimeout(f)'],
    exempt: 'src/lib/clock.ts',
  },
  'timers by promise': {
    rejects: ["import { setTimeout } from 'node:timers/promises';"],
    accepts: ["import { sleep } from '../lib/clock.ts';"],
    exempt: 'src/lib/clock.ts',
  },
  time: {
    rejects: ['const a = Date.now();', 'new Date()', 'performance.now()', 'now: Date.now,'],
    accepts: ['new Date(clock.now())', "'Date.now'", 'Date.UTC(2026, 0)'],
    exempt: 'src/lib/clock.ts',
  },
  chance: {
    rejects: ['Math.random()', 'random: Math.random'],
    accepts: ['options.random()', '// Math.random()'],
    exempt: 'src/main/a.ts',
  },
  debugger: {
    rejects: ['debugger;', '  debugger'],
    accepts: ["'debugger'", 'attach.debugger;', 'const debuggers = 1;'],
  },
  'tests left alone': {
    path: 'src/dns/a.test.ts',
    rejects: ["test.only('a', f);", "test('a', { only: true }, f);"],
    accepts: ["test('a', f);", 'options.only({})'],
    exempt: 'src/dns/a.ts',
  },
  'tests skipped for no reason': {
    path: 'src/dns/a.test.ts',
    rejects: ["test.skip('a', f);", "test('a', { skip: true }, f);", 't.skip();', "test.todo('a');"],
    accepts: ["test('a', { skip: 'needs root' }, f);", "test('a', { skip: reason }, f);", "t.skip('needs root');"],
    exempt: 'src/dns/a.ts',
  },
  'hosts of package registries': {
    path: 'package-lock.json',
    rejects: [
      'https://registry' + '.npmjs.org/a',
      'https://art' + 'ifactory.example.com',
      `"res${'olved'}": "https://a/b.tgz"`,
    ],
    accepts: ['"version": "1.0.0"', 'registry.ts'],
  },
  'paths of one machine': {
    rejects: ["'/wo" + "rk/main'", '`/ho' + 'me/me/x`', 'cd /wo' + 'rk/a'],
    accepts: ['/network/', 'node_modules/wo' + 'rk/x', '/home', '}/wo' + 'rk/'],
  },
  'keyword members': {
    rejects: ['class A {\n  private a = 1;\n}', '  protected readonly b: string;', '  public async f() {}'],
    accepts: ['  #a = 1;', '  private: true,', '// private key', '  publicKey: string;'],
  },
  'default exports': {
    rejects: ['export default f;', 'export { f as default };'],
    accepts: ['export { f };', "import f, { default as g } from 'x';", 'switch (a) { default: }'],
  },
  'enums and namespaces': {
    rejects: ['enum A { B }', 'export const enum A {}', 'export namespace A {\n}'],
    accepts: ['const { namespace } = a;', 'const enums = {};', 'namespace: {'],
  },
  'silenced types': {
    rejects: ['// @ts-' + 'ignore', '// @ts-' + 'nocheck'],
    accepts: ['// @ts-expect-error: the type of x lacks it'],
  },
};

test('each ban rejects its samples and lets others pass', () => {
  assert.deepEqual(Object.keys(controls).sort(), bans.map(({ name }) => name).sort());
  for (const ban of bans) {
    const { path = 'src/dns/a.ts', rejects, accepts, exempt } = controls[ban.name]!;
    for (const text of rejects) assert.equal(banned({ path, text }, [ban]).length, 1, `${ban.name}: ${text}`);
    for (const text of accepts) assert.deepEqual(banned({ path, text }, [ban]), [], `${ban.name}: ${text}`);
    if (exempt) assert.deepEqual(banned({ path: exempt, text: rejects[0]! }, [ban]), [], `${ban.name} in ${exempt}`);
  }
});

test('banned() names the place and the replacement', () => {
  const [found] = banned({ path: 'src/dns/a.ts', text: "import x from 'y';\n\n  console.log(x);" });
  assert.equal(formatUntidiness(found!), 'src/dns/a.ts:3: console: "console.": take a Logger (src/lib/log.ts)');
});

test('tooLong() counts characters and lines', () => {
  const rows: readonly (readonly [string, string, number])[] = [
    ['src/a/b.ts', 'x'.repeat(141), 1],
    ['src/a/b.ts', 'é'.repeat(140), 0],
    ['src/a/b.ts', `  message: '${'x'.repeat(200)}',`, 0],
    ['src/a/b.ts', `// ${'x '.repeat(40)}'${'x'.repeat(70)}'`, 1],
    ['src/a/b.ts', 'x\n'.repeat(451), 1],
    ['src/a/b.ts', 'x\n'.repeat(450), 0],
    ['src/a/b.test.ts', 'x\n'.repeat(451), 0],
    ['docs/a.md', 'x'.repeat(500), 0],
  ];
  for (const [path, text, count] of rows) assert.equal(tooLong({ path, text }).length, count, `${path} ${text.length}`);
});

test('debris() finds what does not belong', () => {
  const rows: readonly (readonly [string, Partial<TreeFile>, number])[] = [
    ['src/a.ts', {}, 0],
    ['src/a.wasm', { binary: true }, 1],
    ['src/a.json', { size: 200_001 }, 1],
    ['src/a.data.json', { size: 900_000 }, 0],
    ['package-lock.json', { size: 900_000 }, 0],
    ['src/a.ts.orig', {}, 1],
    ['src/a.ts~', {}, 1],
    ['npm-debug.log', {}, 1],
    ['src/log.ts', {}, 0],
  ];
  for (const [path, facts, count] of rows)
    assert.equal(debris({ path, size: 1, binary: false, ...facts }).length, count, path);
});

test('deadFiles() finds files without a user', () => {
  const file = (path: string, text = '') => ({ path, text });
  const dead = (...files: readonly SourceFile[]) => deadFiles(files).map(({ path }) => path);
  assert.deepEqual(dead(file('src/a/b.ts')), ['src/a/b.ts']);
  assert.deepEqual(dead(file('src/a/b.ts'), file('src/a/b.test.ts', "import './b.ts';")), ['src/a/b.ts']);
  assert.deepEqual(dead(file('src/a/b.ts'), file('src/a/c.test.ts', "import { b } from './b.ts';")), []);
  assert.deepEqual(dead(file('src/a/b.ts'), file('src/main/c.ts', "import type { B } from '../a/b.ts';")), []);
  assert.deepEqual(dead(file('src/a/b.ts'), file('src/main/c.ts', "new URL('../a/b.ts', import.meta.url)")), []);
  assert.deepEqual(dead(file('src/a/b.ts'), file('src/main/c.ts', "// import { b } from '../a/b.ts';")), [
    'src/a/b.ts',
  ]);
});

const BIOME = join(ROOT, 'node_modules/.bin/biome');

/** What Biome says, with this project's rules, about a source of its own somewhere else. */
function lint(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sampan-tidy-'));
  try {
    const { vcs: _, ...settings } = readSettings();
    writeFileSync(join(folder, 'biome.json'), JSON.stringify(settings));
    writeFileSync(join(folder, 'sample.ts'), text);
    const { stdout, stderr } = spawnSync(BIOME, ['lint', 'sample.ts'], { cwd: folder, encoding: 'utf8' });
    return `${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function readSettings() {
  return JSON.parse(readFileSync(join(ROOT, 'biome.json'), 'utf8'));
}

function functionOf(lines: number): string {
  return `export function sample(): number {\n  let n = 0;\n${'  n += 1;\n'.repeat(lines - 4)}  return n;\n}\n`;
}

test('biome.json keeps its rules as errors', () => {
  const { complexity, style, suspicious, nursery } = readSettings().linter.rules;
  assert.equal(complexity.noExcessiveLinesPerFunction.level, 'error');
  assert.equal(complexity.noExcessiveLinesPerFunction.options.maxLines, 70);
  const { noFloatingPromises, noMisusedPromises } = nursery;
  for (const level of [style.noDefaultExport, suspicious.noImportCycles, noFloatingPromises, noMisusedPromises])
    assert.equal(level, 'error');
});

test('Biome rejects long functions and promises that nobody waits for', () => {
  const rows = [
    [functionOf(75), /noExcessiveLinesPerFunction/],
    ['async function f(): Promise<void> {}\nexport function g(): void {\n  f();\n}\n', /noFloatingPromises/],
    ['export default 1;\n', /noDefaultExport/],
  ] as const;
  for (const [text, rule] of rows) assert.match(lint(text), rule);
  const fine = lint(functionOf(65));
  assert.match(fine, /Checked 1 file/);
  for (const [, rule] of rows) assert.doesNotMatch(fine, rule);
});
