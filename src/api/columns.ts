import { age } from './duration.ts';
import type { Column } from './resource.ts';
import { formatLabelSelector, type LabelSelectorObject } from './selectors.ts';
import type { KubeObject } from './types.ts';

type Cell<T> = Column<T>['cell'];

const NAME_DESCRIPTION =
  'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically.';
const AGE_DESCRIPTION = 'CreationTimestamp is a timestamp representing the server time when this object was created.';

/** A column that is always shown. */
export function column<T>(name: string, cell: Cell<T>, type: Column<T>['type'] = 'string'): Column<T> {
  return { name, type, priority: 0, description: name, cell };
}

/** A column for `-o wide`. */
export function wide<T>(name: string, cell: Cell<T>, type: Column<T>['type'] = 'string'): Column<T> {
  return { name, type, priority: 1, description: name, cell };
}

export const nameColumn: Column<KubeObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  priority: 0,
  description: NAME_DESCRIPTION,
  cell: (object) => object.metadata.name,
};

export const ageColumn: Column<KubeObject> = {
  name: 'Age',
  type: 'string',
  priority: 0,
  description: AGE_DESCRIPTION,
  cell: (object, now) => age(object.metadata.creationTimestamp, now),
};

/** For kinds without a table of their own: when it was made, as RFC 3339 text. */
export const createdAtColumn: Column<KubeObject> = {
  name: 'Created At',
  type: 'date',
  priority: 0,
  description: AGE_DESCRIPTION,
  cell: (object) => object.metadata.creationTimestamp ?? '',
};

/** `a=b,c=d` sorted, or `<none>`. */
export function labelsText(labels: Record<string, string> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? '<none>' : pairs.sort().join(',');
}

export function selectorText(selector: LabelSelectorObject | undefined): string {
  return formatLabelSelector(selector) || '<none>';
}

/** The first `count` texts, then how many more there are. */
export function firstFew(texts: readonly string[], options: { count: number; none: string }): string {
  if (texts.length === 0) return options.none;
  const rest = texts.length - options.count;
  const shown = texts.slice(0, options.count).join(',');
  return rest > 0 ? `${shown} + ${rest} more...` : shown;
}
