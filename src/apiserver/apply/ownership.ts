import type { KubeObject } from '../../api/types.ts';
import { type Comparison, compare } from './compare.ts';
import { difference, EMPTY, type FieldSet, isEmpty, union, withoutSubtrees } from './field-set.ts';
import { formatManagers, isReset, isSameManager, type Manager, parseManagers, type Writer } from './managers.ts';
import type { Structure } from './structure.ts';

/** `metadata` fields that nobody owns, as the server alone writes them. */
const SERVER_META = [
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'clusterName',
  'generation',
  'managedFields',
  'resourceVersion',
];

/** An object, or `{}` before it was there. */
export type State = KubeObject | Record<string, never>;

/** The same fields as paths. */
export const SERVER_FIELDS: FieldSet = {
  'f:apiVersion': EMPTY,
  'f:kind': EMPTY,
  'f:metadata': { '.': EMPTY, ...Object.fromEntries(SERVER_META.map((name) => [`f:${name}`, EMPTY])) },
};

/** What the writes of this subresource can't change: nobody comes to own it through them. */
export function unwritable(resource: { readonly status: boolean }, subresource: string): FieldSet {
  if (subresource === 'status') return { 'f:spec': EMPTY };
  return resource.status ? { 'f:status': EMPTY } : EMPTY;
}

export interface Tracking {
  readonly structure: Structure;
  readonly writer: Writer;
  /** See {@link unwritable}. */
  readonly ignored: FieldSet;
}

/** `metadata.managedFields` after an update (or a create, from `{}`) by `writer`. Pure. */
export function ownedAfterUpdate(
  before: State,
  after: KubeObject,
  { structure, writer, ignored }: Tracking,
): unknown[] | undefined {
  const known = knownManagers(before, after, writer);
  // An object that is not tracked stays so until somebody applies it.
  if (known.length === 0 && before.metadata !== undefined) return undefined;
  const changes = changesBetween(before, after, { structure, ignored });
  const taken = union(changes.added, changes.modified);
  const managers = known.map((manager) => ({ ...manager, fields: without(manager.fields, changes) }));
  if (isEmpty(taken)) return formatManagers(managers);
  const previous = managers.find((manager) => isSameManager(manager, writer));
  const others = managers.filter((manager) => manager !== previous);
  return formatManagers([...others, { ...writer, fields: union(previous?.fields ?? EMPTY, taken) }]);
}

/** Those that the request brings, unless it brings none; a subresource can't change them. */
function knownManagers(before: State, after: KubeObject, { subresource }: Writer): Manager[] {
  const sent = after.metadata.managedFields;
  if (subresource === '' && isReset(sent)) return [];
  const wanted = subresource === '' ? parseManagers(sent) : undefined;
  return wanted?.length ? wanted : managersOf(before);
}

/** Entries that can't be read count as none. */
export function managersOf(state: State): Manager[] {
  return parseManagers(state.metadata?.managedFields) ?? [];
}

/** What a write changed, of what can be owned. */
export function changesBetween(
  before: State,
  after: State,
  { structure, ignored }: Pick<Tracking, 'structure' | 'ignored'>,
): Comparison {
  const { added, modified, removed } = compare(ownable(before), ownable(after), structure);
  const kept = (set: FieldSet) => (isEmpty(ignored) ? set : withoutSubtrees(set, ignored));
  return { added: kept(added), modified: kept(modified), removed: kept(removed) };
}

/** What is left to a manager when others changed and removed fields. */
export function without(fields: FieldSet, { added, modified, removed }: Comparison): FieldSet {
  return difference(difference(difference(fields, added), modified), removed);
}

function ownable(state: State): object {
  const { apiVersion: _version, kind: _kind, metadata = {}, ...content } = state;
  const kept = Object.entries(metadata).filter(([name]) => !SERVER_META.includes(name));
  return { ...content, metadata: Object.fromEntries(kept) };
}
