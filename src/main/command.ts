import { parseArgs } from 'node:util';
import type { Clock } from '../lib/clock.ts';

/** What a command gets of the process that runs it. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: () => number;
  readonly pid: number;
  /** User id; 0 is root. */
  readonly uid: number;
  /** Command line of this program, to start it again in other roles. */
  readonly program: readonly [string, ...string[]];
  /** The project's directory. */
  readonly root: string;
  /** `x64` or `arm64`. */
  readonly machine: string;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
}

/** The environment as child processes take it. */
export function definedEnvironment(env: CommandContext['env']): Record<string, string> {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(entries);
}

export interface FlagSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly default?: string;
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly about: string;
}

export type FlagValues = Readonly<Record<string, string | boolean | undefined>>;

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** What follows the flags: `FILE…`. */
  readonly operands?: string;
  readonly flags?: Readonly<Record<string, FlagSpec>>;
  /** Flags end at the first word that is none: the rest belongs to another program. */
  readonly passesOn?: boolean;
  /** Loaded when the command is used. */
  readonly load: () => Promise<{ run: RunCommand }>;
}

/** Resolves with the exit code. */
export type RunCommand = (call: CommandCall, context: CommandContext) => Promise<number>;

export interface CommandCall {
  readonly flags: FlagValues;
  readonly operands: readonly string[];
}

/** The command line is wrong: said without more. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Reads the words after a command's name. Throws {@link UsageError} that names the flag. */
export function parseCall(spec: CommandSpec, words: readonly string[]): CommandCall {
  const flags = spec.flags ?? {};
  const [own, rest] = spec.passesOn ? splitOwnFlags(flags, words) : [words, []];
  if (!spec.passesOn && own.some((word) => word === '--help' || word === '-h'))
    return { flags: { help: true }, operands: [] };
  try {
    const { values, positionals } = parseArgs({
      args: [...own],
      options: Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, parseOptions(flag)])),
      allowPositionals: true,
    });
    if (positionals.length > 0 && !spec.operands)
      throw new UsageError(`sampan ${spec.name}: takes no operands, actual: ${positionals.join(' ')}`);
    return { flags: { ...values } as FlagValues, operands: [...positionals, ...rest] };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(flagMessage(spec, error as Error));
  }
}

function parseOptions({ type, short, default: initial }: FlagSpec) {
  return { type, ...(short ? { short } : {}), ...(initial === undefined ? {} : { default: initial }) };
}

function flagMessage(spec: CommandSpec, error: Error): string {
  const reason = error.message.split('. ')[0]!.replace(/\.$/, '');
  return `sampan ${spec.name}: ${reason} (see "sampan help ${spec.name}")`;
}

/** Own flags lead; the first other word, or what follows `--`, begins what is passed on. */
function splitOwnFlags(
  flags: Readonly<Record<string, FlagSpec>>,
  words: readonly string[],
): [readonly string[], readonly string[]] {
  let at = 0;
  while (at < words.length) {
    const name = /^--([\w-]+)(=.*)?$/.exec(words[at]!);
    const flag = name && flags[name[1]!];
    if (!flag) break;
    at += flag.type === 'string' && name[2] === undefined ? 2 : 1;
  }
  return [words.slice(0, at), words.slice(at)];
}

/** One command's help. */
export function commandHelp(spec: CommandSpec): string {
  const rows = Object.entries(spec.flags ?? {}).map(
    ([name, flag]) =>
      [`--${name}${flag.type === 'string' ? ` ${flag.value ?? 'VALUE'}` : ''}`, flagAbout(flag)] as const,
  );
  const usage = ['sampan', spec.name, rows.length > 0 ? '[FLAGS]' : '', spec.operands ?? ''].filter(Boolean).join(' ');
  return [`${spec.summary}.`, '', `Usage: ${usage}`, ...(rows.length > 0 ? ['', ...columns(rows)] : []), ''].join('\n');
}

function flagAbout(flag: FlagSpec): string {
  return flag.default === undefined ? flag.about : `${flag.about} (default: ${flag.default})`;
}

/** The help of all commands. */
export function overview(specs: readonly CommandSpec[]): string {
  return [
    'Sampan: a Kubernetes-compatible cluster on one machine, whose whole point is Services.',
    '',
    'Usage: sampan COMMAND',
    '',
    ...columns(specs.map((spec) => [spec.name, spec.summary] as const)),
    '',
    '"sampan help COMMAND" tells more.',
    '',
  ].join('\n');
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length)) + 3;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`);
}
