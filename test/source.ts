import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';

/** A file of the tree as rules see it: rules are functions of these, so that controls can be made up. */
export interface SourceFile {
  /** From the root, with slashes: `src/dns/zone.ts`. */
  readonly path: string;
  readonly text: string;
}

export const ROOT = join(import.meta.dirname, '..');

/** TypeScript files under the given folders of the root. */
export function readSources(...folders: readonly string[]): SourceFile[] {
  return folders
    .flatMap((folder) => listFiles(folder))
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** Paths of all files under a folder of the root, sorted; a missing folder is empty. */
export function listFiles(folder: string): string[] {
  const start = join(ROOT, folder);
  if (!statSync(start, { throwIfNoEntry: false })) return [];
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix.join(folder, entry.parentPath.slice(start.length), entry.name))
    .sort();
}

/** Tests and what only tests use. */
export function isTest(path: string): boolean {
  return /\.(test|fixture)\.ts$/.test(path) || path.startsWith('test/');
}

/** One import as written. */
export interface Import {
  readonly specifier: string;
  /** `import type` or `export type`: gone when the program runs. */
  readonly typeOnly: boolean;
  /** For its effect alone: `import './x.ts'`. */
  readonly bare: boolean;
  readonly line: number;
}

const STATIC = /(?<![\w$.])(?:import|export)\b(\s+type\b(?!\s+from\b|\s*,))?([\w$*\s{},]*?\bfrom)?\s*(['"])/g;
const DYNAMIC = /(?<![\w$.])(?:import|require)\s*\(\s*(['"`])/g;

/** Imports, re-exports and dynamic imports of constant names, in the order in which they stand. */
export function importsOf(text: string): Import[] {
  const code = blankText(text);
  const found: (Import & { at: number })[] = [];
  for (const match of code.matchAll(STATIC)) {
    if (match[0].startsWith('export') && !match[2]) continue;
    const at = match.index + match[0].length;
    found.push({ ...place(text, code, at), typeOnly: Boolean(match[1]), bare: !match[2] });
  }
  for (const match of code.matchAll(DYNAMIC))
    found.push({ ...place(text, code, match.index + match[0].length), typeOnly: false, bare: false });
  return found.sort((a, b) => a.at - b.at).map(({ at: _, ...rest }) => rest);
}

/** The quoted name that begins at `at`: its quotes are still there in `code`. */
function place(text: string, code: string, at: number): { specifier: string; line: number; at: number } {
  const end = code.indexOf(code[at - 1]!, at);
  return { specifier: text.slice(at, end), line: lineAt(text, at), at };
}

/** Counted from 1. */
export function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}

/** The file that a relative import names. */
export function resolveImport(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : undefined;
}

type Mode = 'code' | 'line' | 'block' | 'regex' | "'" | '"' | '`';

/**
 * The text with comments and the insides of strings, templates and regular expressions turned into spaces; quotes, line
 * ends and all positions stay. Rules about code read this, so that a word in a sentence is no violation.
 */
export function blankText(text: string): string {
  return blank(text, (mode) => mode !== 'code');
}

/** The text with comments alone turned into spaces. */
export function blankComments(text: string): string {
  return blank(text, (mode) => mode === 'line' || mode === 'block');
}

function blank(text: string, hides: (mode: Mode) => boolean): string {
  const out = text.split('');
  // Templates nest: each `${` opens code that its own `}` closes.
  const braces: number[] = [];
  let mode: Mode = 'code';
  let inClass = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    const pair = text.slice(at, at + 2);
    const before = mode;
    let width = 1;
    if (mode === 'code') {
      mode = openedBy(text, at) ?? mode;
      if (char === '{' && braces.length > 0) braces[braces.length - 1]!++;
      if (char === '}' && braces.length > 0 && braces[braces.length - 1]!-- === 0) {
        braces.pop();
        mode = '`';
      }
      inClass = false;
      if (mode === 'line' || mode === 'block') width = 2;
    } else if (mode === 'line') mode = char === '\n' ? 'code' : mode;
    else if (mode === 'block') {
      if (pair === '*/') [mode, width] = ['code', 2];
    } else if (char === '\\') width = 2;
    else if (mode === '`' && pair === '${') {
      braces.push(0);
      [mode, width] = ['code', 2];
    } else if (mode === 'regex' && (char === '[' || char === ']')) inClass = char === '[';
    else if (mode === 'regex' ? char === '/' && !inClass : char === mode) mode = 'code';
    const comment = mode === 'line' || mode === 'block' || before === 'line' || before === 'block';
    // Delimiters of strings stay: they belong to the code around them.
    const inside = comment
      ? before === 'code'
        ? mode
        : before
      : before !== 'code' && mode === before
        ? before
        : 'code';
    for (let i = at; i < at + width; i++) if (hides(inside) && out[i] !== '\n' && i < out.length) out[i] = ' ';
    at += width - 1;
  }
  return out.join('');
}

/** What a character of code begins, if anything but code. */
function openedBy(text: string, at: number): Mode | undefined {
  const char = text[at]!;
  if (char === "'" || char === '"' || char === '`') return char;
  if (char !== '/') return undefined;
  if (text[at + 1] === '/') return 'line';
  if (text[at + 1] === '*') return 'block';
  return /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|void))\s*$/.test(
    text.slice(Math.max(0, at - 40), at),
  )
    ? 'regex'
    : undefined;
}
