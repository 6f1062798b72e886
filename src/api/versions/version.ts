import type { Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';

/** What another version of a stored kind has of its own. */
export interface VersionRow extends Pick<Resource, 'group' | 'version'> {
  readonly fieldSelectors?: Resource['fieldSelectors'];
  readonly deprecation?: string;
  readonly toStored: (object: KubeObject) => KubeObject;
  readonly fromStored: (object: KubeObject) => KubeObject;
}

/** A row for another version of `stored`: the same kind, names, columns and rules in another form. */
export function versionOf(stored: Resource, { toStored, fromStored, ...own }: VersionRow): Resource {
  return {
    ...stored,
    ...own,
    columns: stored.columns.map((column) => ({ ...column, cell: (object, now) => column.cell(toStored(object), now) })),
    conversion: { stored, toStored, fromStored },
  };
}

/** `object` without the properties that are undefined. */
export function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
