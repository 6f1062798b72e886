import type { KubeObject } from '../../api/types.ts';
import type { Comparison } from './compare.ts';
import { applyConflict, type Conflict } from './conflicts.ts';
import {
  difference,
  EMPTY,
  type FieldSet,
  intersection,
  isEmpty,
  isSame,
  union,
  withoutSubtrees,
} from './field-set.ts';
import { allowedByLastApplied, withLastApplied } from './last-applied.ts';
import { formatManagers, isSameManager, type Manager } from './managers.ts';
import { mergeConfig } from './merge.ts';
import { changesBetween, managersOf, SERVER_FIELDS, type State, type Tracking, without } from './ownership.ts';
import { pathsSetBy, withFieldsOnTheWay, withoutPaths } from './paths.ts';

/** An applied configuration: the fields that the manager wants, and no others. */
export interface Application extends Tracking {
  /** As its type reads it. */
  readonly config: KubeObject;
  /** As it was sent. */
  readonly sent: KubeObject;
  /** Takes fields from their owners instead of failing. */
  readonly force: boolean;
  /** An object as its type reads it: `1000m` and `1` are the same. */
  readonly typed: (object: KubeObject) => KubeObject;
}

/** Owner of what was there before the first apply of an object without owners. */
const BEFORE_FIRST_APPLY = 'before-first-apply';
/** The manager name whose client-side past is known: `kubectl apply` without `--server-side`. */
const KUBECTL = 'kubectl';

/** The object that server-side apply makes of the live one (`{}`: none). Pure. Throws Conflict. */
export function applyConfig(live: State, application: Application): KubeObject {
  const { writer } = application;
  let { object, managers, conflicts } = merged(live, application);
  if (conflicts.length > 0 && !application.force) {
    const allowed = writer.manager === KUBECTL ? allowedByLastApplied(live, application) : EMPTY;
    const others = conflicts
      .map((conflict) => ({ ...conflict, fields: difference(conflict.fields, allowed) }))
      .filter(({ fields }) => !isEmpty(fields));
    if (others.length > 0) throw applyConflict(others);
  }
  if (writer.manager === KUBECTL) object = withLastApplied(object, application.sent);
  const metadata = { ...object.metadata, managedFields: formatManagers(managers) };
  if (!metadata.managedFields) delete metadata.managedFields;
  return { ...object, metadata } as KubeObject;
}

interface Merged {
  readonly object: KubeObject;
  readonly managers: readonly Manager[];
  readonly conflicts: readonly Conflict[];
}

function merged(live: State, application: Application): Merged {
  const { config, structure, writer, ignored } = application;
  const known = ownersBefore(live, application);
  const last = known.find((manager) => isSameManager(manager, writer));
  const others = known.filter((manager) => manager !== last);
  const wanted = writable(config, application);
  const fields = withoutSubtrees(difference(pathsSetBy(wanted, structure), SERVER_FIELDS), ignored);
  const whole = mergeConfig(live, wanted, structure) as KubeObject;
  const object = last
    ? withoutAbandoned(whole, { structure, last: last.fields, owned: [fields, ...others.map((other) => other.fields)] })
    : whole;
  const changes = changesBetween(live, object, { structure, ignored });
  const taken = union(changes.added, changes.modified);
  const conflicts = others
    .map((manager) => ({ manager, fields: intersection(manager.fields, taken) }))
    .filter((conflict) => !isEmpty(conflict.fields));
  const same = last !== undefined && isSame(last.fields, fields) && isUnchanged(changes);
  const own: Manager = { ...writer, fields, time: same ? last.time : writer.time };
  return { object, conflicts, managers: [...others.map((other) => leftTo(other, changes)), own] };
}

function leftTo(manager: Manager, changes: Comparison): Manager {
  return { ...manager, fields: without(manager.fields, changes) };
}

function isUnchanged({ added, modified, removed }: Comparison): boolean {
  return isEmpty(added) && isEmpty(modified) && isEmpty(removed);
}

/** The configuration without what this subresource can't write. */
function writable(config: KubeObject, { structure, ignored }: Application): object {
  return isEmpty(ignored) ? config : (withoutPaths(config, ignored, structure) as object);
}

function ownersBefore(live: State, { structure, writer, ignored }: Application): Manager[] {
  const known = managersOf(live);
  if (known.length > 0 || live.metadata === undefined) return known;
  const fields = changesBetween({}, live as KubeObject, { structure, ignored }).added;
  return [{ ...writer, manager: BEFORE_FIRST_APPLY, operation: 'Update', subresource: '', fields }];
}

interface Abandoning {
  readonly structure: Tracking['structure'];
  /** What the manager applied the last time. */
  readonly last: FieldSet;
  /** What it applies now, and what the others own. */
  readonly owned: readonly FieldSet[];
}

/** The merged object without what the manager applied before, applies no longer, and nobody else owns. */
function withoutAbandoned(whole: KubeObject, { structure, last, owned }: Abandoning): KubeObject {
  const onTheWay = (set: FieldSet) => withFieldsOnTheWay(set, structure);
  const kept = owned.map(onTheWay);
  const all = onTheWay(pathsSetBy(whole, structure));
  const bare = withoutPaths(whole, onTheWay(last), structure);
  const ownedOrOld = kept.reduce(union, onTheWay(pathsSetBy(bare, structure)));
  const pruned = withoutPaths(whole, difference(all, ownedOrOld), structure);
  // Removing a field takes what lies below it along: only what was applied the last time may go.
  const gone = difference(all, onTheWay(pathsSetBy(pruned, structure)));
  return withoutPaths(whole, intersection(gone, onTheWay(last)), structure) as KubeObject;
}
