import { EMPTY, type FieldSet, isEmpty, parseFieldSet, sorted, union } from './field-set.ts';

/** What one field manager owns (`metav1.ManagedFieldsEntry`). */
export interface Manager {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  /** Empty: the object itself. */
  readonly subresource: string;
  /** RFC 3339. */
  readonly time: string | undefined;
  readonly fields: FieldSet;
}

/** Who writes, without what is owned. */
export type Writer = Omit<Manager, 'fields'> & { readonly time: string };

/** Update managers of one object; older ones are folded into one. */
const UPDATE_MANAGERS_LIMIT = 10;
const FOLDED = 'ancient-changes';

/** Entries of `metadata.managedFields`; undefined when they are not in their form. */
export function parseManagers(entries: unknown): Manager[] | undefined {
  if (!Array.isArray(entries)) return entries === undefined || entries === null ? [] : undefined;
  const managers: Manager[] = [];
  for (const entry of entries) {
    const manager = parseManager(entry);
    if (!manager) return undefined;
    managers.push(manager);
  }
  return managers;
}

function parseManager(entry: unknown): Manager | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { manager = '', operation, apiVersion, subresource = '', time, fieldsV1 } = entry as Record<string, unknown>;
  const fields = parseFieldSet(fieldsV1 ?? {});
  if (operation !== 'Apply' && operation !== 'Update') return undefined;
  if (!fields || typeof manager !== 'string' || typeof apiVersion !== 'string' || typeof subresource !== 'string')
    return undefined;
  return { manager, operation, apiVersion, subresource, fields, time: typeof time === 'string' ? time : undefined };
}

/** A list of one empty entry: the client wants ownership forgotten. */
export function isReset(entries: unknown): boolean {
  if (!Array.isArray(entries) || entries.length !== 1) return false;
  return typeof entries[0] === 'object' && entries[0] !== null && Object.keys(entries[0]).length === 0;
}

/** One entry an identity: appliers move from version to version, updates are apart in each. */
export function isSameManager(a: Omit<Manager, 'fields' | 'time'>, b: Omit<Manager, 'fields' | 'time'>): boolean {
  if (a.manager !== b.manager || a.operation !== b.operation || a.subresource !== b.subresource) return false;
  return a.operation === 'Apply' || a.apiVersion === b.apiVersion;
}

/** `metadata.managedFields`, in the order that Kubernetes keeps; undefined when nobody owns anything. */
export function formatManagers(managers: readonly Manager[]): object[] | undefined {
  const owning = managers.filter(({ fields }) => !isEmpty(fields));
  if (owning.length === 0) return undefined;
  return capped(owning).sort(inOrder).map(formatManager);
}

function formatManager({ manager, operation, apiVersion, subresource, time, fields }: Manager): object {
  return {
    manager,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: sorted(fields),
    ...(subresource === '' ? {} : { subresource }),
  };
}

function inOrder(a: Manager, b: Manager): number {
  const key = ({ operation, time = '', manager, apiVersion, subresource }: Manager) =>
    [operation, time, manager, apiVersion, subresource].join('\0');
  return key(a) < key(b) ? -1 : 1;
}

/** The oldest updates beyond the limit become one entry for each version. */
function capped(managers: readonly Manager[]): Manager[] {
  const updates = managers.filter(({ operation, subresource }) => operation === 'Update' && subresource === '');
  if (updates.length <= UPDATE_MANAGERS_LIMIT) return [...managers];
  const oldest = updates.sort(inOrder).slice(0, updates.length - UPDATE_MANAGERS_LIMIT + 1);
  const kept = managers.filter((manager) => !oldest.includes(manager));
  return [...kept, ...foldByVersion(oldest)];
}

function foldByVersion(managers: readonly Manager[]): Manager[] {
  const folded = new Map<string, Manager>();
  for (const manager of managers) {
    const fields = union(folded.get(manager.apiVersion)?.fields ?? EMPTY, manager.fields);
    folded.set(manager.apiVersion, { ...manager, manager: FOLDED, fields });
  }
  return [...folded.values()];
}
