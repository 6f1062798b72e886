import { blankComments, blankText, importsOf, isTest, lineAt, resolveImport, type SourceFile } from './source.ts';

/** What a rule looks at: all of the text, the text without comments, or code with the insides of strings blanked too. */
type View = 'text' | 'uncommented' | 'code';

/** Words and calls that do not belong, with what does. */
export interface Ban {
  readonly name: string;
  readonly view: View;
  readonly pattern: RegExp;
  readonly where: (path: string) => boolean;
  readonly instead: string;
}

const isTypeScript = (path: string) => path.endsWith('.ts');
const inSource = (path: string) => path.startsWith('src/') && isTypeScript(path);
const inProduct = (path: string) => inSource(path) && !isTest(path);
const inPrograms = (path: string) => path.startsWith('src/main/');
/** Words are put together so that this file does not hold what it bans. */
const word = (...parts: readonly string[]) => parts.join('');

export const bans: readonly Ban[] = [
  {
    name: 'left-over work',
    view: 'text',
    pattern: new RegExp(`\\b(?:${word('FIX', 'ME')}|${word('TO', 'DO')}|${word('X', 'XX')})\\b`, 'g'),
    where: () => true,
    instead: 'finish it, or open an issue',
  },
  {
    name: 'console',
    view: 'code',
    pattern: /\bconsole\s*\./g,
    where: (path) => inSource(path) && !inPrograms(path),
    instead: 'take a Logger (src/lib/log.ts)',
  },
  {
    name: 'timers',
    view: 'code',
    pattern: /(?<![\w$.#])(?:setTimeout|setInterval)\s*\(|\bAbortSignal\.timeout\s*\(/g,
    where: (path) => inSource(path) && path !== 'src/lib/clock.ts',
    instead: 'take a Clock (src/lib/clock.ts): clock.after() or sleep()',
  },
  {
    name: 'timers by promise',
    view: 'uncommented',
    pattern: /['"]node:timers(?:\/promises)?['"]/g,
    where: (path) => inSource(path) && path !== 'src/lib/clock.ts',
    instead: 'take a Clock (src/lib/clock.ts): sleep()',
  },
  {
    name: 'time',
    view: 'code',
    pattern: /\bDate\.now\b|\bnew Date\s*\(\s*\)|\bperformance\.now\b|\bprocess\.hrtime\b/g,
    where: (path) => inSource(path) && !inPrograms(path) && path !== 'src/lib/clock.ts',
    instead: 'take a Clock (src/lib/clock.ts): clock.now()',
  },
  {
    name: 'chance',
    view: 'code',
    pattern: /\bMath\.random\b/g,
    where: (path) => inSource(path) && !inPrograms(path),
    instead: 'take `random: () => number`',
  },
  {
    name: 'debugger',
    view: 'code',
    pattern: /(?<![\w$.])debugger\s*;?\s*$/gm,
    where: isTypeScript,
    instead: 'remove it',
  },
  {
    name: 'tests left alone',
    view: 'code',
    pattern: /\b(?:test|it|describe|suite)\.only\s*\(|\bonly:\s*true/g,
    where: isTest,
    instead: 'run all tests',
  },
  {
    name: 'tests skipped for no reason',
    view: 'code',
    pattern: /\b(?:test|it|describe|suite)\.(?:skip|todo)\s*\(|\b(?:skip|todo):\s*true|\.(?:skip|todo)\(\s*\)/g,
    where: isTest,
    instead: 'give a reason as text: { skip: reason } or t.skip(reason)',
  },
  {
    name: 'hosts of package registries',
    view: 'text',
    pattern: new RegExp(
      `${word('registry', '\\.(?:npmjs|npmmirror|yarnpkg)')}|${word('artif', 'actory')}|${word('verd', 'accio')}|"${word('res', 'olved')}": "`,
      'gi',
    ),
    where: () => true,
    instead: "leave the registry to the user's npm settings",
  },
  {
    name: 'paths of one machine',
    view: 'text',
    pattern: new RegExp(`(?<![\\w.)}*-])/${word('wo', 'rk')}/|(?<![\\w.)}-])/(?:home|Users)/\\w`, 'g'),
    where: () => true,
    instead: 'make the path relative to the file or take it as an option',
  },
  {
    name: 'keyword members',
    view: 'code',
    pattern: /^\s*(?:private|protected|public)\s+(?:(?:static|readonly|async|override|abstract)\s+)*[\w$]+/gm,
    where: isTypeScript,
    instead: 'use #private members; what has no # is public',
  },
  {
    name: 'default exports',
    view: 'code',
    pattern: /\bexport\s+default\b|\bas\s+default\b/g,
    where: isTypeScript,
    instead: 'export by name',
  },
  {
    name: 'enums and namespaces',
    view: 'code',
    pattern: /^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?(?:enum|namespace)\s+[\w$]+\s*\{/gm,
    where: isTypeScript,
    instead: 'use a union of literals, or an `as const` object',
  },
  {
    name: 'silenced types',
    view: 'text',
    pattern: /@ts-(?:ignore|nocheck)\b/g,
    where: (path) => isTypeScript(path) && !path.startsWith('test/tidy'),
    instead: 'fix the type, or use @ts-expect-error with a reason',
  },
];

export interface Untidiness {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export function formatUntidiness({ path, line, message }: Untidiness): string {
  return `${path}:${line}: ${message}`;
}

/** Everything that the bans find in a text file. */
export function banned(file: SourceFile, list: readonly Ban[] = bans): Untidiness[] {
  return list
    .filter(({ where }) => where(file.path))
    .flatMap(({ name, view, pattern, instead }) =>
      [...viewOf(file, view).matchAll(pattern)].map((match) => ({
        path: file.path,
        line: lineAt(file.text, match.index + match[0].search(/\S/)),
        message: `${name}: "${match[0].trim()}": ${instead}`,
      })),
    );
}

function viewOf({ path, text }: SourceFile, view: View): string {
  if (view === 'text' || !isTypeScript(path)) return text;
  return view === 'code' ? blankText(text) : blankComments(text);
}

const LINE_LENGTH_MAX = 140;
const FILE_LINES_MAX = 450;

/** A text that stands whole on its line, so that a search finds it as the user saw it. */
const WHOLE_TEXT = /^[^'"`]{0,60}(['"`])(?:\\.|(?!\1).)*\1[^'"`]{0,10}$/;

/** Lines and files of `src/` that are too long to be read. */
export function tooLong({ path, text }: SourceFile): Untidiness[] {
  if (!inSource(path)) return [];
  const lines = text.split('\n');
  const wide = lines.flatMap((line, index) =>
    [...line].length <= LINE_LENGTH_MAX || (WHOLE_TEXT.test(line) && !/^\s*(?:\/\/|\*|\/\*)/.test(line))
      ? []
      : [{ path, line: index + 1, message: `line of ${[...line].length} characters: at most ${LINE_LENGTH_MAX}` }],
  );
  const count = text.endsWith('\n') ? lines.length - 1 : lines.length;
  if (!inProduct(path) || count <= FILE_LINES_MAX) return wide;
  return [...wide, { path, line: FILE_LINES_MAX, message: `file of ${count} lines: split it by noun near 350` }];
}

/** A file of the tree as the file system knows it. */
export interface TreeFile {
  readonly path: string;
  readonly size: number;
  readonly binary: boolean;
}

const FILE_OCTETS_MAX = 200_000;
const LARGE_ON_PURPOSE = /\.data\.json$|^package-lock\.json$/;
const BACKUP = /(?:~|\.(?:bak|backup|old|orig|rej|swp|tmp|log|copy))$|(?:^|\/)(?:\.DS_Store|core)$/i;

/** Files that do not belong into a repository. */
export function debris({ path, size, binary }: TreeFile): Untidiness[] {
  const found: string[] = [];
  if (binary) found.push('binary file: build it, or take it from a package');
  if (size > FILE_OCTETS_MAX && !LARGE_ON_PURPOSE.test(path))
    found.push(`file of ${size} octets: at most ${FILE_OCTETS_MAX}, except *.data.json`);
  if (BACKUP.test(path)) found.push('backup or scratch file: remove it');
  return found.map((message) => ({ path, line: 1, message }));
}

/** Files of `src/` that nobody uses: no program, and imported by nothing but their own tests. */
export function deadFiles(files: readonly SourceFile[]): Untidiness[] {
  const used = new Set(files.flatMap((file) => usesOf(file).filter((target) => !isOwnTest(file.path, target))));
  return files
    .filter(({ path }) => inProduct(path) && !inPrograms(path) && !used.has(path))
    .map(({ path }) => ({ path, line: 1, message: 'dead file: nothing imports it but its own tests' }));
}

/** What a file imports, or names as a file to run: `new URL('./worker.ts', import.meta.url)`. */
function usesOf({ path, text }: SourceFile): string[] {
  const started = [...blankComments(text).matchAll(/\bnew URL\(\s*['"`](\.[^'"`]+)['"`]/g)].map((match) => match[1]!);
  return [...importsOf(text).map(({ specifier }) => specifier), ...started].flatMap(
    (specifier) => resolveImport(path, specifier) ?? [],
  );
}

function isOwnTest(path: string, target: string): boolean {
  return path === target.replace(/\.ts$/, '.test.ts');
}
