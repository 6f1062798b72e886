import { ageColumn, column, nameColumn } from '../columns.ts';
import { validateIngress, validateNewIngress, warnIngress } from '../ingress/validation.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { Ingress } from '../types.ts';

export const ingresses: Resource<Ingress> = {
  ...namespacedKind,
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  singular: 'ingress',
  shortNames: ['ing'],
  status: true,
  generation: true,
  columns: [
    nameColumn,
    column('Class', (ingress) => ingress.spec?.ingressClassName ?? '<none>'),
    column('Hosts', hostsText),
    column('Address', addressText),
    column('Ports', (ingress) => (ingress.spec?.tls?.length ? '80, 443' : '80')),
    ageColumn,
  ],
  prepareForCreate(ingress) {
    ingress.status = { loadBalancer: {} };
  },
  validate: (ingress, old) => [...validateIngress(ingress), ...(old ? [] : validateNewIngress(ingress))],
  warnings: warnIngress,
};

const SHOWN_HOSTS = 3;

function hostsText({ spec }: Ingress): string {
  const rules = spec?.rules ?? [];
  const hosts = rules.map(({ host }) => host ?? '').filter((host) => host !== '');
  if (hosts.length === 0) return '*';
  const shown = hosts.slice(0, SHOWN_HOSTS).join(',');
  return hosts.length > SHOWN_HOSTS ? `${shown} + ${rules.length - SHOWN_HOSTS} more...` : shown;
}

function addressText({ status }: Ingress): string {
  const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '');
  return [...new Set(addresses.filter((address) => address !== ''))].sort().join(',');
}
