import { parse } from 'yaml';

/** A tutorial as data: a person reads it, the demo runs it, the test runs it and checks each step. */
export interface Walkthrough {
  readonly title: string;
  /** Commands that undo an earlier run, not shown. */
  readonly prepare: readonly string[];
  readonly steps: readonly Step[];
}

/**
 * One step. In commands and patterns, `{NAME}` stands for the first value captured under that name, `{NAME#2}` for the
 * second.
 */
export interface Step {
  /** Heading that this step begins. */
  readonly section?: string;
  /** Told before the command. */
  readonly say?: string;
  /** A line for the shell. */
  readonly run: string;
  /**
   * `nodes`: run in the network namespace of every node; a node's name: of that node; `outside`: as a host on the nodes'
   * network that is no node.
   */
  readonly on?: string;
  /** Run once for each value captured under this name. */
  readonly each?: string;
  /** What is typed at a terminal, and what is waited for before. */
  readonly typed?: readonly { readonly wait: string; readonly type: string }[];
  /** Patterns (multiline) that the output must all match. */
  readonly expect?: readonly string[];
  /** Patterns that it must not match. */
  readonly reject?: readonly string[];
  /** Name → pattern; the values of its first group, or of the whole match. */
  readonly capture?: Readonly<Record<string, string>>;
  /** The command is repeated for so long until all is as expected. */
  readonly retrySeconds?: number;
}

const STEP_KEYS = ['section', 'say', 'run', 'on', 'each', 'typed', 'expect', 'reject', 'capture', 'retrySeconds'];

/** Reads a walkthrough. Throws when a step has no command or an unknown key. */
export function parseWalkthrough(text: string): Walkthrough {
  const { title, prepare = [], steps } = parse(text) as Partial<Walkthrough>;
  if (!title || !steps) throw new Error('walkthrough: expected a title and steps');
  for (const [index, step] of steps.entries()) {
    const unknown = Object.keys(step).filter((key) => !STEP_KEYS.includes(key));
    if (unknown.length > 0 || typeof step.run !== 'string')
      throw new Error(`walkthrough step ${index + 1}: expected a command and known keys, actual: ${Object.keys(step)}`);
  }
  return { title, prepare, steps };
}

/** Name → values, as captured so far. */
export type Captures = ReadonlyMap<string, readonly string[]>;

const HOLE = /\{([A-Z][A-Z_]*)(?:#(\d+))?\}/g;

/** Puts captured values into the holes of a command. Throws for a name that was not captured. */
export function fill(text: string, captures: Captures): string {
  return text.replaceAll(HOLE, (_hole, name: string, place = '1') => {
    const value = captures.get(name)?.[Number(place) - 1];
    if (value === undefined) throw new Error(`walkthrough: no value number ${place} was captured for ${name}`);
    return value;
  });
}

/** A pattern with captured values in its holes, taken literally. */
export function fillPattern(text: string, captures: Captures): RegExp {
  const literal = new Map([...captures].map(([name, values]) => [name, values.map(escapePattern)]));
  return new RegExp(fill(text, literal), 'm');
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** What of an output is not as a step expects it. */
export function problemsOf(step: Step, output: string, captures: Captures): string[] {
  const missing = (step.expect ?? []).filter((pattern) => !fillPattern(pattern, captures).test(output));
  const unwanted = (step.reject ?? []).filter((pattern) => fillPattern(pattern, captures).test(output));
  return [
    ...missing.map((pattern) => `expected to match ${pattern}`),
    ...unwanted.map((pattern) => `expected not to match ${pattern}`),
  ];
}

/** Captures with those that a step takes from its output. */
export function captureFrom(step: Step, output: string, captures: Captures): Captures {
  const found = Object.entries(step.capture ?? {}).map(([name, pattern]) => {
    const matches = [...output.matchAll(new RegExp(pattern, 'gm'))];
    return [name, matches.map((match) => match[1] ?? match[0])] as const;
  });
  return new Map([...captures, ...found]);
}

/** The captures under which a step runs: one, or one a value of the name that it goes through. */
export function expand(step: Step, captures: Captures): Captures[] {
  if (step.each === undefined) return [captures];
  return (captures.get(step.each) ?? []).map((value) => new Map([...captures, [step.each!, [value]]]));
}
