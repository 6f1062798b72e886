import { isObject } from '../../api/patch/merge.ts';
import type { KubeObject } from '../../api/types.ts';
import type { Application } from './apply.ts';
import { compare } from './compare.ts';
import { difference, EMPTY, type FieldSet } from './field-set.ts';
import type { State } from './ownership.ts';
import { pathsSetBy } from './paths.ts';

/** Where `kubectl apply` without `--server-side` keeps what it applied. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** Largest size of all annotations together; a longer configuration is not kept. */
const ANNOTATION_LIMIT = 256 * 1024;

/** Fields that the same user applied from the client before, and that are as they were applied. */
export function allowedByLastApplied(
  live: State,
  { structure, typed }: Pick<Application, 'structure' | 'typed'>,
): FieldSet {
  const parsed = parseApplied(live.metadata?.annotations?.[LAST_APPLIED]);
  if (!parsed || parsed['apiVersion'] !== live.apiVersion) return EMPTY;
  const applied = readTyped(parsed, typed);
  const { added, modified, removed } = compare(live, applied, structure);
  return difference(difference(difference(pathsSetBy(applied, structure), added), modified), removed);
}

/** An annotation that does not fit the type allows nothing more than what it can. */
function readTyped(applied: Record<string, unknown>, typed: Application['typed']): Record<string, unknown> {
  try {
    return { ...typed(applied as unknown as KubeObject) };
  } catch {
    return {};
  }
}

function parseApplied(text: string | undefined): Record<string, unknown> | undefined {
  if (!text) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the annotation true for later client-side applies; an object without it gets none. */
export function withLastApplied(object: KubeObject, config: KubeObject): KubeObject {
  const { annotations } = object.metadata;
  if (annotations?.[LAST_APPLIED] === undefined) return object;
  const text = `${JSON.stringify(withoutAnnotation(config), inOrder)}\n`;
  const kept = text.length > ANNOTATION_LIMIT ? undefined : text;
  const { [LAST_APPLIED]: _before, ...others } = annotations;
  const metadata = { ...object.metadata, annotations: kept ? { ...others, [LAST_APPLIED]: kept } : others };
  return { ...object, metadata };
}

function withoutAnnotation(config: KubeObject): KubeObject {
  const { annotations, ...metadata } = config.metadata;
  const { [LAST_APPLIED]: _before, ...others } = annotations ?? {};
  return { ...config, metadata: { ...metadata, annotations: others } } as KubeObject;
}

/** Keys in order, as `kubectl` writes them. */
function inOrder(_key: string, value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
