import { optionalValue } from '../cel/format-functions.ts';
import { type CelProgram, CelSyntaxError, compileCel } from '../cel/program.ts';
import type { FieldError, FieldErrorType } from '../field-error.ts';
import { isObject } from '../patch/merge.ts';
import { celValue } from './cel-value.ts';
import { childPath, innerSchemas, type JsonSchema, propertySchema, type ValidationRule } from './schema.ts';
import { mapKey, type Place } from './value.ts';

interface CompiledRule {
  readonly rule: ValidationRule;
  readonly program: CelProgram;
  readonly message: CelProgram | undefined;
}

const VARIABLES = ['self', 'oldSelf'];

/** Rules are compiled when a value first meets them, and live as long as their schema. */
const compiled = new WeakMap<JsonSchema, readonly CompiledRule[]>();

const ruled = new WeakMap<JsonSchema, boolean>();

/** Whether any rule stands in the schema. */
export function hasRules(schema: JsonSchema): boolean {
  let found = ruled.get(schema);
  if (found === undefined) {
    found = (schema['x-kubernetes-validations']?.length ?? 0) > 0 || innerSchemas(schema).some(ofInner);
    ruled.set(schema, found);
  }
  return found;
}

function ofInner({ schema }: { readonly schema: JsonSchema }): boolean {
  return hasRules(schema);
}

/** Versions of a kind have the same rules, and who checks a definition compiles what its objects will need. */
const PROGRAMS_LIMIT = 10_000;
const programsByText = new Map<string, CelProgram>();

/** Throws {@link CelSyntaxError}. */
function compile(expression: string): CelProgram {
  let program = programsByText.get(expression);
  if (!program) {
    program = compileCel(expression, VARIABLES);
    if (programsByText.size >= PROGRAMS_LIMIT) programsByText.clear();
    programsByText.set(expression, program);
  }
  return program;
}

/** Why a rule can not be used, for the one who defines it; undefined when it can. */
export function ruleProblem({ rule, messageExpression }: ValidationRule): string | undefined {
  try {
    compile(rule);
    if (messageExpression) compile(messageExpression);
    return undefined;
  } catch (error) {
    if (error instanceof CelSyntaxError) return error.message;
    throw error;
  }
}

/** The `x-kubernetes-validations` that a value breaks: of the whole first, then of its parts. */
export function validateRules(value: unknown, schema: JsonSchema, at: Place): FieldError[] {
  if (value === null || value === undefined) return [];
  return [...ownRules(value, schema, at), ...innerRules(value, schema, at)];
}

function innerRules(value: unknown, schema: JsonSchema, { path, old }: Place): FieldError[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (!items || !hasRules(items)) return [];
    const before = correlated(old, schema);
    return value.flatMap((item, index) =>
      validateRules(item, items, { path: `${path}[${index}]`, old: before.get(JSON.stringify(mapKey(item, schema))) }),
    );
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const property = propertySchema(schema, key);
    if (!property || !hasRules(property)) return [];
    return validateRules(item, property, { path: childPath(path, key), old: isObject(old) ? old[key] : undefined });
  });
}

function correlated(old: unknown, schema: JsonSchema): ReadonlyMap<string, unknown> {
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(old)) return new Map();
  return new Map(old.map((item) => [JSON.stringify(mapKey(item, schema)), item]));
}

function ownRules(value: unknown, schema: JsonSchema, at: Place): FieldError[] {
  const rules = schema['x-kubernetes-validations'];
  if (!rules?.length) return [];
  const self = celValue(value, schema);
  const old = at.old === undefined ? undefined : celValue(at.old, schema);
  const programs = compiledRules(schema, rules);
  const longest = programs.some(({ program }) => program.loops > 0) ? longestOf(value) : 0;
  return programs.flatMap(({ rule, program, message }) => {
    // A rule on a transition says nothing of what has no past, unless it asks.
    if (program.variables.has('oldSelf') && old === undefined && !rule.optionalOldSelf) return [];
    const oldSelf = rule.optionalOldSelf ? optionalValue(old) : old;
    if (program.loops > 0 && longest ** program.loops > TURNS_LIMIT) {
      return [ruleError({ rule: rule.rule }, { path: at.path, type: schema.type ?? 'object', detail: TOO_COSTLY })];
    }
    const variables = { self, ...(oldSelf === undefined ? {} : { oldSelf }) };
    const outcome = program.run(variables);
    if ('value' in outcome && outcome.value === true) return [];
    const told = message?.run(variables);
    const expressed = told && 'value' in told && typeof told.value === 'string' ? told.value.trim() : '';
    const text = expressed || rule.message || `failed rule: ${rule.rule}`;
    const detail = 'error' in outcome ? `${outcome.error} evaluating rule: ${text}` : text;
    return [ruleError(rule, { path: at.path, type: schema.type ?? 'object', detail })];
  });
}

/** Turns of a loop that one rule may take at most: some seconds of work. */
const TURNS_LIMIT = 1_000_000;
const TOO_COSTLY = 'validation failed due to running out of cost budget, no further validation rules will be run';

/** Items of the longest list or map in a value. */
function longestOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const parts = Object.values(value);
  return parts.reduce((most: number, part) => Math.max(most, longestOf(part)), parts.length);
}

function compiledRules(schema: JsonSchema, rules: readonly ValidationRule[]): readonly CompiledRule[] {
  let made = compiled.get(schema);
  if (!made) {
    made = rules.map((rule) => ({
      rule,
      program: compile(rule.rule),
      message: rule.messageExpression ? compile(rule.messageExpression) : undefined,
    }));
    compiled.set(schema, made);
  }
  return made;
}

const PREFIXES: Partial<Record<FieldErrorType, string>> = {
  FieldValueRequired: 'Required value',
  FieldValueForbidden: 'Forbidden',
};

function ruleError(
  { reason, fieldPath = '' }: ValidationRule,
  at: { path: string; type: string; detail: string },
): FieldError {
  const type = (reason ?? 'FieldValueInvalid') as FieldErrorType;
  const word = type === 'FieldValueDuplicate' ? 'Duplicate value' : 'Invalid value';
  const prefix = PREFIXES[type] ?? `${word}: ${JSON.stringify(at.type)}`;
  const field = `${at.path}${fieldPath}`.replace(/^\./, '');
  return { type, field: field === '' ? '<nil>' : field, message: `${prefix}: ${at.detail}` };
}
