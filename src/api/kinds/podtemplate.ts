import { column, labelsText, nameColumn } from '../columns.ts';
import { imagesOf, namesOf } from '../pod/columns.ts';
import { setPodSpecDefaults } from '../pod/defaults.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { PodTemplate } from '../types.ts';

export const podTemplates: Resource<PodTemplate> = {
  ...namespacedKind,
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  singular: 'podtemplate',
  generation: true,
  columns: [
    nameColumn,
    column('Containers', ({ template }) => namesOf(template)),
    column('Images', ({ template }) => imagesOf(template)),
    column('Pod Labels', ({ template }) => labelsText(template?.metadata?.labels)),
  ],
  setDefaults({ template }) {
    if (template?.spec) setPodSpecDefaults(template.spec);
  },
};
