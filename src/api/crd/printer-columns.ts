import { nameColumn } from '../columns.ts';
import { age } from '../duration.ts';
import type { Column } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { compileJsonPath, type JsonPath } from './json-path.ts';

/** `CustomResourceColumnDefinition`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly description?: string;
  readonly format?: string;
  readonly priority?: number;
}

const AGE: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description:
    'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.',
};

/** The columns of a custom resource's Table: its name, then those of its definition. */
export function customColumns(columns: readonly PrinterColumn[] = [AGE]): Column<KubeObject>[] {
  return [nameColumn, ...(columns.length > 0 ? columns : [AGE]).map(customColumn)];
}

function customColumn({ name, type, jsonPath, description, format, priority }: PrinterColumn): Column<KubeObject> {
  const path = compileJsonPath(jsonPath);
  return {
    name,
    type: type as Column<KubeObject>['type'],
    priority: priority ?? 0,
    description: description ?? `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    ...(format ? { format } : {}),
    cell: (object, now) => (path ? cell(path(object), { type, now }) : null),
  };
}

type Cell = ReturnType<Column<KubeObject>['cell']>;

/** What is not there, or of another type than its column, is an empty cell. */
function cell([value]: ReturnType<JsonPath>, { type, now }: { type: string; now: number }): Cell {
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      if (typeof value !== 'string') return null;
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : age(value, now);
    default:
      return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
}
