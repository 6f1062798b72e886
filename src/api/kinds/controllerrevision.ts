import { ageColumn, column, nameColumn } from '../columns.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { ControllerRevision } from '../types.ts';

export const controllerRevisions: Resource<ControllerRevision> = {
  ...namespacedKind,
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  singular: 'controllerrevision',
  columns: [
    nameColumn,
    column('Controller', controllerText),
    column('Revision', (revision) => revision.revision),
    ageColumn,
  ],
};

/** `daemonset.apps/web`, or `<none>`. */
function controllerText({ metadata }: ControllerRevision): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  if (!owner) return '<none>';
  const [group] = owner.apiVersion.includes('/') ? owner.apiVersion.split('/') : [''];
  return `${owner.kind.toLowerCase()}${group ? `.${group}` : ''}/${owner.name}`;
}
