import { checkFields, type Findings } from '../schema.ts';
import type { KubeObject } from '../types.ts';
import { pruneUnknown } from './prune.ts';
import type { JsonSchema } from './schema.ts';

/** Brings a custom resource into the form of its schema, in place, and answers what had to go or is of a wrong type. */
export function settleCustom(object: KubeObject, schema: JsonSchema): Findings {
  const { unknown, wrongTypes } = checkFields('meta/v1.ObjectMeta', object.metadata);
  const metadata = object.metadata as unknown as Record<string, unknown>;
  for (const text of unknown) delete metadata[/"([^".]+)/.exec(text)![1]!];
  for (const [key, value] of Object.entries(metadata)) if (value === null) delete metadata[key];
  const pruned = pruneUnknown(object as unknown as Record<string, unknown>, schema);
  return {
    unknown: [
      ...unknown.map((text) => text.replace('field "', 'field "metadata.')),
      ...pruned.map((path) => `unknown field ${JSON.stringify(path)}`),
    ],
    wrongTypes,
  };
}
