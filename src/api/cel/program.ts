import { type CelInput, celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import { strings } from '@bufbuild/cel/ext';
import { isObject } from '../patch/merge.ts';
import { kubernetesFunctions } from './functions.ts';
import { rewriteOptionals } from './optional.ts';
import { selectFunctions } from './optional-functions.ts';

const environment = celEnv({ funcs: [...strings, ...kubernetesFunctions, ...selectFunctions] });

/** What an expression came to. */
export type CelOutcome = { readonly value: unknown } | { readonly error: string };

/** A compiled expression of the Common Expression Language. */
export interface CelProgram {
  /** Names that the expression uses and does not declare itself. */
  readonly variables: ReadonlySet<string>;
  /** How deep loops (`all`, `map`, …) stand in each other: the time it takes grows with that power of a list's length. */
  readonly loops: number;
  /** Never throws. Values of variables are made by {@link toCel}. */
  run(variables: Readonly<Record<string, CelInput>>): CelOutcome;
  /** As {@link run}, with a value that other expressions can take. */
  compute(variables: Readonly<Record<string, CelInput>>): { readonly value: CelInput } | { readonly error: string };
}

/** The expression is none, or uses what is not known. */
export class CelSyntaxError extends Error {
  override name = 'CelSyntaxError';
}

/** Compiles an expression that may use `variables`. Throws {@link CelSyntaxError}. */
export function compileCel(expression: string, variables: readonly string[]): CelProgram {
  const parsed = parseExpression(expression);
  const used = { idents: new Set<string>(), declared: new Set<string>(), calls: new Set<string>() };
  collect(parsed.expr, used);
  const free = new Set([...used.idents].filter((name) => !used.declared.has(name)));
  const unknown = [...free].find((name) => !variables.includes(name) && !TYPE_NAMES.has(name) && !NAMESPACES.has(name));
  if (unknown !== undefined) throw undeclared(unknown);
  const unbound = [...used.calls].find((name) => !environment.funcs.find(name) && !OPERATORS.test(name));
  if (unbound !== undefined) throw undeclared(unbound);
  const evaluate = plan(environment, parsed);
  return {
    variables: free,
    loops: loopsIn(parsed.expr),
    run(values) {
      const result = evaluate(values);
      return isCelError(result) ? { error: result.message } : { value: fromCel(result) };
    },
    compute(values) {
      const result = evaluate(values);
      return isCelError(result) ? { error: result.message } : { value: result };
    },
  };
}

const TYPE_NAMES = new Set(
  'bool bytes double duration int list map null_type string timestamp type uint dyn'.split(' '),
);
/** Operators that are planned without a function. */
const OPERATORS = /[@_?]/;
/** Functions with a dot in their names are parsed as methods of these. */
const NAMESPACES = new Set(['sets', 'format', 'optional']);

function parseExpression(expression: string) {
  try {
    return parse(rewriteOptionals(expression));
  } catch (error) {
    throw new CelSyntaxError((error as Error).message);
  }
}

function undeclared(name: string): CelSyntaxError {
  return new CelSyntaxError(`undeclared reference to '${name}' (in container '')`);
}

interface Used {
  readonly idents: Set<string>;
  readonly declared: Set<string>;
  readonly calls: Set<string>;
}

interface Node {
  readonly case?: string;
  readonly value?: {
    name?: string;
    function?: string;
    target?: object;
    iterVar?: string;
    iterVar2?: string;
    accuVar?: string;
  };
}

/** What the nodes of a syntax tree name. */
function collect(tree: unknown, used: Used): void {
  if (typeof tree !== 'object' || tree === null) return;
  const { case: kind, value } = tree as Node;
  if (kind === 'identExpr') used.idents.add(value!.name!.replace(/^\./, ''));
  if (kind === 'callExpr') used.calls.add(`${namespaceOf(value!)}${value!.function!}`);
  if (kind === 'comprehensionExpr') {
    for (const name of [value!.iterVar, value!.iterVar2, value!.accuVar]) if (name) used.declared.add(name);
  }
  for (const inner of Object.values(tree)) collect(inner, used);
}

function loopsIn(tree: unknown): number {
  if (typeof tree !== 'object' || tree === null) return 0;
  const inner = Object.values(tree).reduce((most: number, part) => Math.max(most, loopsIn(part)), 0);
  return (tree as Node).case === 'comprehensionExpr' ? inner + 1 : inner;
}

/** `sets.` of `sets.contains(a, b)`. */
function namespaceOf({ target }: NonNullable<Node['value']>): string {
  const { exprKind } = (target ?? {}) as { exprKind?: Node };
  const name = exprKind?.case === 'identExpr' ? exprKind.value!.name! : '';
  return NAMESPACES.has(name) ? `${name}.` : '';
}

/** A JSON value as expressions see it: whole numbers are integers. */
export function toCel(value: unknown): CelInput {
  if (Array.isArray(value)) return value.map(toCel);
  if (isObject(value)) return new Map(Object.entries(value).map(([key, item]) => [key, toCel(item)]));
  return Number.isSafeInteger(value) ? BigInt(value as number) : (value as CelInput);
}

/** Integers become numbers; lists and maps are not read by anyone. */
function fromCel(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}
