import { isObject } from '../patch/merge.ts';

type Step = (values: readonly unknown[]) => unknown[];

/** A compiled JSONPath of kubectl's simple form: what it finds in a value, in order. */
export type JsonPath = (value: unknown) => unknown[];

const NAME = /^\.((?:\\.|[^.[\]\\])+)/;
const QUOTED = /^\[\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)")\s*\]/;
const INDEX = /^\[\s*(-?\d+)\s*\]/;
const ALL = /^(?:\[\*\]|\.\*)/;
const FILTER = /^\[\?\(\s*@([^=!<>]*?)\s*(?:(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|[^)\s]+)\s*)?\)\]/;

/** Compiles `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status` and the like; undefined for other texts. */
export function compileJsonPath(text: string): JsonPath | undefined {
  const inner = /^\{(.*)\}$/.exec(text)?.[1] ?? text;
  const steps: Step[] = [];
  let rest = inner.replace(/^\$/, '');
  while (rest !== '' && rest !== '.') {
    const found = nextStep(rest);
    if (!found) return undefined;
    steps.push(found.step);
    rest = rest.slice(found.length);
  }
  return (value) => steps.reduce((values, step) => step(values), [value]);
}

function nextStep(rest: string): { step: Step; length: number } | undefined {
  const all = ALL.exec(rest);
  if (all) return { step: (values) => values.flatMap(members), length: all[0].length };
  const name = NAME.exec(rest) ?? QUOTED.exec(rest);
  if (name) {
    const key = (name[1] ?? name[2] ?? '').replace(/\\(.)/g, '$1');
    return { step: (values) => values.flatMap((value) => member(value, key)), length: name[0].length };
  }
  const index = INDEX.exec(rest);
  if (index)
    return { step: (values) => values.flatMap((value) => at(value, Number(index[1]))), length: index[0].length };
  const filter = FILTER.exec(rest);
  const holds = filter && condition(filter);
  if (!holds) return undefined;
  return { step: (values) => values.flatMap((value) => members(value).filter(holds)), length: filter[0].length };
}

function members(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}

function member(value: unknown, key: string): unknown[] {
  return isObject(value) && Object.hasOwn(value, key) ? [value[key]] : [];
}

function at(value: unknown, index: number): unknown[] {
  return Array.isArray(value) && value.at(index) !== undefined ? [value.at(index)] : [];
}

function condition([, path = '', operator, literal = '']: RegExpExecArray): ((item: unknown) => boolean) | undefined {
  const left = compileJsonPath(path);
  if (!left) return undefined;
  if (operator === undefined) return (item) => left(item).length > 0;
  const right = parseLiteral(literal);
  return (item) => left(item).some((value) => compare(value, operator, right));
}

function parseLiteral(text: string): unknown {
  const quoted = /^(["'])(.*)\1$/.exec(text);
  if (quoted) return quoted[2];
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function compare(left: unknown, operator: string, right: unknown): boolean {
  if (operator === '==') return left === right;
  if (operator === '!=') return left !== right;
  if (typeof left !== typeof right || (typeof left !== 'number' && typeof left !== 'string')) return false;
  const [a, b] = [left, right as typeof left];
  if (operator === '<') return a < b;
  if (operator === '>') return a > b;
  return operator === '<=' ? a <= b : a >= b;
}

/** The keys of a path that only names fields (`.spec.replicas`); undefined for any other. */
export function fieldKeys(text: string): string[] | undefined {
  const keys: string[] = [];
  let rest = text;
  while (rest !== '') {
    const name = NAME.exec(rest) ?? QUOTED.exec(rest);
    if (!name) return undefined;
    keys.push((name[1] ?? name[2] ?? '').replace(/\\(.)/g, '$1'));
    rest = rest.slice(name[0].length);
  }
  return keys.length > 0 ? keys : undefined;
}
