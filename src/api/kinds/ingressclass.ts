import { ageColumn, column, nameColumn } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { IngressClass } from '../types.ts';

export const ingressClasses: Resource<IngressClass> = {
  ...clusterKind,
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  singular: 'ingressclass',
  generation: true,
  columns: [
    nameColumn,
    column('Controller', (ingressClass) => ingressClass.spec?.controller ?? ''),
    column('Parameters', parametersText),
    ageColumn,
  ],
  setDefaults({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster';
  },
};

function parametersText({ spec }: IngressClass): string {
  const { parameters } = spec ?? {};
  if (!parameters) return '<none>';
  return `${parameters.kind}${parameters.apiGroup ? `.${parameters.apiGroup}` : ''}/${parameters.name}`;
}
