import type { ResourceName } from '../api/errors.ts';
import type { KubeObject } from '../api/types.ts';

/**
 * A step inside a write, after defaulting and before validation: it may change the object in place, or refuse with an
 * `ApiError`. Steps are synchronous, so that nothing else happens between them and the store's compare-and-set.
 */
export interface Admission<T extends KubeObject = KubeObject> {
  /** Which kind it concerns; every kind when left out. */
  readonly resource?: ResourceName;
  create?(object: T, context: AdmissionContext): void;
  update?(object: T, old: T, context: AdmissionContext): void;
  /** The write went through: `old` is absent after a create, `object` after a delete. Never called for a dry run. */
  committed?(object: T | undefined, old: T | undefined): void;
  /** The write failed, or was a dry run, after `create` or `update` had succeeded: give back what was taken. */
  aborted?(object: T, old: T | undefined): void;
}

export interface AdmissionContext {
  readonly dryRun: boolean;
  readonly username: string;
}
