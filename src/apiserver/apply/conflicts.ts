import { ApiError } from '../../api/errors.ts';
import { type FieldSet, pathsOf } from './field-set.ts';
import type { Manager } from './managers.ts';

/** Fields that the applied configuration would change, and who owns them. */
export interface Conflict {
  readonly manager: Manager;
  readonly fields: FieldSet;
}

/** 409 with a cause for each field, in Kubernetes' wording. */
export function applyConflict(conflicts: readonly Conflict[]): ApiError {
  const found = conflicts
    .flatMap(({ manager, fields }) => pathsOf(fields).map((path) => ({ who: managerText(manager), path })))
    .sort((a, b) => (`${a.who}\0${a.path}` < `${b.who}\0${b.path}` ? -1 : 1));
  const causes = found.map(({ who, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${who}`,
    field: path,
  }));
  const [only] = found;
  const message =
    found.length === 1
      ? `Apply failed with 1 conflict: conflict with ${only!.who}: ${only!.path}`
      : `Apply failed with ${found.length} conflicts: ${listed(found)}`;
  return new ApiError('Conflict', message, { causes });
}

function listed(found: readonly { who: string; path: string }[]): string {
  const owners = [...new Set(found.map(({ who }) => who))];
  return owners
    .flatMap((owner) => [
      `conflicts with ${owner}:`,
      ...found.filter(({ who }) => who === owner).map(({ path }) => `- ${path}`),
    ])
    .join('\n');
}

function managerText({ manager, operation, apiVersion, subresource }: Manager): string {
  const name = JSON.stringify(manager) + (subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`);
  return operation === 'Update' ? `${name} using ${apiVersion}` : name;
}
