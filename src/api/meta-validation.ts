import { type FieldError, forbidden, invalidValue, requiredValue } from './field-error.ts';
import { checkLabelValue, checkName, checkQualifiedName, type NameRule } from './names.ts';
import type { KubeObject, ObjectMeta } from './types.ts';

export interface MetaRules {
  readonly namespaced: boolean;
  readonly nameRule: NameRule;
  /** Finalizers need no domain before a slash: custom resources and their definitions. */
  readonly bareFinalizers?: boolean;
}

const ANNOTATIONS_MAX_BYTES = 256 * 1024;

/** The rules of `metadata` that every kind shares (apimachinery `ValidateObjectMeta`). */
export function validateObjectMeta(meta: ObjectMeta, rules: MetaRules): FieldError[] {
  return [
    ...validateName(meta, rules.nameRule),
    ...(rules.namespaced ? validateNamespace(meta) : []),
    ...validateLabels(meta.labels, 'metadata.labels'),
    ...validateAnnotations(meta.annotations),
    ...validateOwners(meta),
    ...validateFinalizers(meta.finalizers, rules.bareFinalizers),
  ];
}

function validateName(meta: ObjectMeta, rule: NameRule): FieldError[] {
  const prefix = meta.generateName;
  const trimmed = prefix?.replace(/-$/, 'a') ?? '';
  const prefixErrors = prefix
    ? checkName(trimmed, rule).map((rule) => invalidValue('metadata.generateName', prefix, rule))
    : [];
  if (!meta.name) return [...prefixErrors, requiredValue('metadata.name', 'name or generateName is required')];
  return [...prefixErrors, ...checkName(meta.name, rule).map((text) => invalidValue('metadata.name', meta.name, text))];
}

function validateNamespace(meta: ObjectMeta): FieldError[] {
  if (!meta.namespace) return [requiredValue('metadata.namespace')];
  const texts = checkName(meta.namespace, 'dns1123-label');
  return texts.map((text) => invalidValue('metadata.namespace', meta.namespace, text));
}

/** Labels wherever they stand (`metadata.labels`, a template's, a selector's). */
export function validateLabels(labels: Record<string, string> | undefined, path: string): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...checkQualifiedName(key).map((text) => invalidValue(path, key, text)),
    ...checkLabelValue(value).map((text) => invalidValue(path, value, text)),
  ]);
}

function validateAnnotations(annotations: Record<string, string> | undefined): FieldError[] {
  const entries = Object.entries(annotations ?? {});
  const errors = entries.flatMap(([key]) =>
    checkQualifiedName(key.toLowerCase()).map((text) => invalidValue('metadata.annotations', key, text)),
  );
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes <= ANNOTATIONS_MAX_BYTES) return errors;
  const message = `Too long: may not be more than ${ANNOTATIONS_MAX_BYTES} bytes`;
  return [...errors, { type: 'FieldValueTooLong', field: 'metadata.annotations', message }];
}

function validateOwners(meta: ObjectMeta): FieldError[] {
  const owners = meta.ownerReferences ?? [];
  const controllers = owners.filter((owner) => owner.controller);
  const errors = owners.flatMap((owner, index) =>
    (['apiVersion', 'kind', 'name', 'uid'] as const)
      .filter((key) => !owner[key])
      .map((key) =>
        invalidValue(`metadata.ownerReferences[${index}].${key}`, owner[key] ?? '', `${key} must not be empty`),
      ),
  );
  if (controllers.length < 2) return errors;
  const [first, second] = controllers;
  const detail = `Only one reference can have Controller set to true. Found "true" in references for ${first!.kind}/${first!.name} and ${second!.kind}/${second!.name}`;
  return [...errors, invalidValue('metadata.ownerReferences', owners, detail)];
}

const BARE_FINALIZERS = ['orphan', 'foregroundDeletion', 'kubernetes'];

function validateFinalizers(finalizers: string[] | undefined, bare = false): FieldError[] {
  return (finalizers ?? []).flatMap((name) => {
    const errors = checkQualifiedName(name).map((text) => invalidValue('metadata.finalizers', name, text));
    if (bare || name.includes('/') || BARE_FINALIZERS.includes(name)) return errors;
    const detail = 'name is neither a standard finalizer name nor is it fully qualified';
    return [...errors, invalidValue('metadata.finalizers', name, detail)];
  });
}

/** What of `metadata` may not change; `updated` is already normalized (uid and creationTimestamp filled from `old`). */
export function validateObjectMetaUpdate(updated: KubeObject, old: KubeObject): FieldError[] {
  const fixed = ['name', 'namespace', 'uid', 'creationTimestamp'] as const;
  const errors = fixed
    .filter((key) => updated.metadata[key] !== old.metadata[key])
    .map((key) => invalidValue(`metadata.${key}`, updated.metadata[key], 'field is immutable'));
  const added = (updated.metadata.finalizers ?? []).filter((name) => !old.metadata.finalizers?.includes(name));
  if (!old.metadata.deletionTimestamp || added.length === 0) return errors;
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`;
  return [...errors, forbidden('metadata.finalizers', detail)];
}
