import { ageColumn, nameColumn } from './columns.ts';
import type { Column, Resource } from './resource.ts';
import type { KubeObject } from './types.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface TableColumn {
  name: string;
  type: string;
  format: string;
  description: string;
  priority: number;
}

export interface TableRow {
  cells: (string | number | boolean | null)[];
  object?: unknown;
}

function columnsOf(resource: Resource): readonly Column<KubeObject>[] {
  return resource.columns.length > 0 ? resource.columns : [nameColumn, ageColumn];
}

/** `columnDefinitions` of a `meta.k8s.io/v1` Table. */
export function tableColumns(resource: Resource): TableColumn[] {
  return columnsOf(resource).map(({ name, type, format, description, priority }) => ({
    name,
    type,
    format: format ?? '',
    description,
    priority,
  }));
}

export function tableRow(
  resource: Resource,
  object: KubeObject,
  options: { now: number; include: IncludeObject },
): TableRow {
  const cells = columnsOf(resource).map((column) => column.cell(object, options.now));
  if (options.include === 'None') return { cells };
  return { cells, object: options.include === 'Object' ? object : partialMetadata(object) };
}

/** `meta.k8s.io/v1 PartialObjectMetadata` of an object. */
export function partialMetadata(object: KubeObject): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}
