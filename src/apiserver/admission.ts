import type { ResourceName } from '../api/errors.ts';
import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import type { UserInfo } from './request.ts';

/**
 * A step inside a write, after defaulting and before validation: it may change the object in place, or refuse with an
 * `ApiError`. Steps are synchronous, so that nothing else happens between them and each other's claims.
 */
export interface Admission<T extends KubeObject = KubeObject> {
  /** Which kind it concerns; every kind when left out. */
  readonly resource?: ResourceName;
  create?(object: T, context: AdmissionContext): void;
  update?(object: T, old: T, context: AdmissionContext): void;
  /** Before a delete, and before the mark of a graceful one. */
  delete?(old: T, context: AdmissionContext): void;
  /** The write went through: `old` is absent after a create, `object` after a delete. Never called for a dry run. */
  committed?(object: T | undefined, old: T | undefined): void;
  /** The write failed, or was a dry run, after `create` or `update` had succeeded: give back what was taken. */
  aborted?(object: T, old: T | undefined): void;
}

export interface AdmissionContext {
  readonly dryRun: boolean;
  readonly user: UserInfo;
  /** Collects texts for the answer's `Warning` headers. */
  warn?(text: string): void;
}

/** A write as admission plugins see it (`admission.Attributes`). */
export interface AdmissionAttributes extends AdmissionContext {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly resource: Resource;
  readonly subresource: string;
  /** Empty for kinds of the cluster. */
  readonly namespace: string;
  readonly name: string;
  /** Absent for a delete. */
  readonly object: KubeObject | undefined;
  /** Absent for a create. */
  readonly old: KubeObject | undefined;
}

/**
 * Admission that takes time: webhooks and policies. Both answer undefined at once when nothing concerns the write, so
 * that a write without any waits for nothing.
 */
export interface AdmissionPlugin {
  /** Before the {@link Admission} steps: resolves with the changed object, or undefined when it stays as it is. */
  mutate?(attributes: AdmissionAttributes): Promise<KubeObject | undefined> | undefined;
  /** After all changes and checks: rejects with an `ApiError` to refuse. */
  validate?(attributes: AdmissionAttributes): Promise<void> | undefined;
}
