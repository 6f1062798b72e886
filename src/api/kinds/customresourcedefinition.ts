import { nameColumn } from '../columns.ts';
import { CLEANUP_FINALIZER, type CustomResourceDefinition, storageVersion } from '../crd/definition.ts';
import {
  validateDefinition,
  validateDefinitionStatus,
  validateDefinitionUpdate,
} from '../crd/definition-validation.ts';
import { clusterKind, type Resource } from '../resource.ts';

export const customResourceDefinitions: Resource<CustomResourceDefinition> = {
  ...clusterKind,
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  singular: 'customresourcedefinition',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  status: true,
  generation: true,
  columns: [
    nameColumn,
    {
      name: 'Created At',
      type: 'date',
      priority: 0,
      description: 'When the definition was created, in RFC 3339 form',
      cell: ({ metadata }) => metadata.creationTimestamp ?? '',
    },
  ],
  setDefaults({ spec }) {
    if (!spec?.names) return;
    spec.names.singular ||= spec.names.kind?.toLowerCase();
    spec.names.listKind ||= spec.names.kind && `${spec.names.kind}List`;
    spec.conversion ??= { strategy: 'None' };
  },
  prepareForCreate(definition) {
    const storage = definition.spec?.versions?.length ? storageVersion(definition)?.name : undefined;
    definition.status = {
      conditions: [],
      acceptedNames: { plural: '', kind: '' },
      storedVersions: storage ? [storage] : [],
    };
    const finalizers = definition.metadata.finalizers ?? [];
    if (!finalizers.includes(CLEANUP_FINALIZER)) definition.metadata.finalizers = [...finalizers, CLEANUP_FINALIZER];
  },
  prepareForUpdate(definition, old) {
    const stored = old.status?.storedVersions ?? [];
    const storage = storageVersion(definition)?.name;
    if (!storage || stored.includes(storage)) return;
    definition.status = { ...old.status, storedVersions: [...stored, storage] };
  },
  validate: validateDefinition,
  validateUpdate: validateDefinitionUpdate,
  validateStatusUpdate: validateDefinitionStatus,
};
