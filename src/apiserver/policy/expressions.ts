import type { CelInput } from '@bufbuild/cel';
import { POLICY_VARIABLES } from '../../api/admission/policy-validation.ts';
import { type CelProgram, compileCel, toCel } from '../../api/cel/program.ts';
import type { KubeObject } from '../../api/types.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { reviewRequest } from '../webhook/review.ts';

/** Compiled expressions that are kept; more than any cluster's policies have, and bounded. */
const MAX_COMPILED = 4096;
const compiled = new Map<string, CelProgram>();

/** Throws CelSyntaxError. */
export function compile(expression: string): CelProgram {
  let program = compiled.get(expression);
  if (!program) {
    program = compileCel(expression, POLICY_VARIABLES);
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    compiled.set(expression, program);
  }
  return program;
}

/** A write as expressions see it; each part is converted when an expression first asks for it. */
export class Scope {
  readonly #sources: Readonly<Record<string, () => unknown>>;
  readonly #values = new Map<string, CelInput>();

  constructor(attributes: AdmissionAttributes, more: { namespaceObject?: KubeObject; params?: KubeObject } = {}) {
    this.#sources = {
      object: () => attributes.object ?? null,
      oldObject: () => attributes.old ?? null,
      request: () => requestOf(attributes),
      namespaceObject: () => more.namespaceObject ?? null,
      params: () => more.params ?? null,
      variables: () => ({}),
    };
  }

  /** Throws an Error when the expression does not compile or ends in an error. */
  evaluate(expression: string): unknown {
    const program = compile(expression);
    const names = POLICY_VARIABLES.filter((name) => program.variables.has(name));
    const outcome = program.run(Object.fromEntries(names.map((name) => [name, this.#value(name)])));
    if ('error' in outcome) throw new Error(outcome.error);
    return outcome.value;
  }

  /** Gives `variables.<name>` the value of an expression, or leaves it out when that fails. */
  define(name: string, expression: string): void {
    const program = compile(expression);
    const names = POLICY_VARIABLES.filter((used) => program.variables.has(used));
    const outcome = program.compute(Object.fromEntries(names.map((used) => [used, this.#value(used)])));
    if ('error' in outcome) return;
    const variables = this.#value('variables') as Map<string, CelInput>;
    this.#values.set('variables', new Map([...variables, [name, outcome.value]]));
  }

  #value(name: string): CelInput {
    let value = this.#values.get(name);
    if (value === undefined) {
      value = toCel(this.#sources[name]!());
      this.#values.set(name, value);
    }
    return value;
  }
}

/** `AdmissionRequest` without the objects. */
function requestOf(attributes: AdmissionAttributes): object {
  const { request } = reviewRequest({ ...attributes, object: undefined, old: undefined }, '') as { request: object };
  return { name: '', namespace: '', ...request };
}
