import { ageColumn, column, nameColumn } from '../columns.ts';
import { validateIngressClass, validateIngressClassUpdate } from '../ingress/class-validation.ts';
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
  validate: validateIngressClass,
  validateUpdate: validateIngressClassUpdate,
};

function parametersText({ spec }: IngressClass): string {
  const { parameters } = spec ?? {};
  if (!parameters) return '<none>';
  return `${parameters.kind}${parameters.apiGroup ? `.${parameters.apiGroup}` : ''}/${parameters.name}`;
}
