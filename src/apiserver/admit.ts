import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import type { Admission, AdmissionAttributes, AdmissionContext } from './admission.ts';
import type { VerbContext } from './context.ts';
import type { Target } from './route.ts';
import { scaleOf } from './verbs/scale.ts';

/** The steps that concern a kind. */
export function stepsOf(context: Pick<VerbContext, 'admissions'>, resource: Resource): Admission[] {
  return context.admissions.filter(
    (step) => !step.resource || (step.resource.group === resource.group && step.resource.plural === resource.plural),
  );
}

export interface Admitting {
  readonly operation: AdmissionAttributes['operation'];
  readonly target: Target;
  readonly object?: KubeObject | undefined;
  readonly old?: KubeObject | undefined;
}

/** Gives `object` to the mutating plugins in turn; resolves with what they make of it, undefined when none did. */
export async function mutate(
  { plugins }: Pick<VerbContext, 'plugins'>,
  at: Admitting,
  by: AdmissionContext,
): Promise<KubeObject | undefined> {
  let changed: KubeObject | undefined;
  for (const plugin of plugins) {
    const pending = plugin.mutate?.(attributesOf({ ...at, object: changed ?? at.object }, by));
    if (pending) changed = (await pending) ?? changed;
  }
  // What a plugin makes of a Scale is not carried back to the object behind it.
  return at.target.subresource === 'scale' ? undefined : changed;
}

/** Asks the validating plugins in turn; rejects with the first refusal. */
export async function validateByPlugins(
  { plugins }: Pick<VerbContext, 'plugins'>,
  at: Admitting,
  by: AdmissionContext,
): Promise<void> {
  for (const plugin of plugins) await plugin.validate?.(attributesOf(at, by));
}

function attributesOf({ operation, target, object, old }: Admitting, by: AdmissionContext): AdmissionAttributes {
  const { resource, subresource } = target;
  const seen = (of: KubeObject | undefined) => (of && subresource === 'scale' ? scaleOf(resource, of) : of);
  const { metadata } = object ?? old ?? {};
  const namespace = target.namespace || (resource.namespaced ? (metadata?.namespace ?? '') : '');
  const name = target.name || (metadata?.name ?? '');
  return { ...by, operation, resource, subresource, namespace, name, object: seen(object), old: seen(old) };
}
