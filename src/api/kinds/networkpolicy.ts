import { ageColumn, column, nameColumn, selectorText } from '../columns.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { NetworkPolicy } from '../types.ts';

export const networkPolicies: Resource<NetworkPolicy> = {
  ...namespacedKind,
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  singular: 'networkpolicy',
  shortNames: ['netpol'],
  generation: true,
  columns: [nameColumn, column('Pod-Selector', (policy) => selectorText(policy.spec?.podSelector)), ageColumn],
  setDefaults({ spec }) {
    if (!spec) return;
    spec.podSelector ??= {};
    spec.policyTypes ??= spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
      for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
    }
  },
};
