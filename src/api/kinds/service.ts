import { ageColumn, column, labelsText, nameColumn, wide } from '../columns.ts';
import type { Resource } from '../resource.ts';
import { prepareServiceUpdate, validateServiceUpdate } from '../service/update.ts';
import { isExternallyAccessible, validateService } from '../service/validation.ts';
import type { Service } from '../types.ts';

export const services: Resource<Service> = {
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  status: true,
  generation: false,
  nameRule: 'dns1035-label',
  fieldSelectors: {
    'spec.clusterIP': (service) => service.spec?.clusterIP ?? '',
    'spec.type': (service) => service.spec?.type ?? '',
  },
  columns: [
    nameColumn,
    column('Type', (service) => service.spec?.type ?? ''),
    column('Cluster-IP', (service) => service.spec?.clusterIPs?.[0] ?? '<none>'),
    column('External-IP', externalIp),
    column('Port(s)', portsText),
    ageColumn,
    wide('Selector', (service) => labelsText(service.spec?.selector)),
  ],
  setDefaults,
  prepareForCreate(service) {
    service.status = { loadBalancer: {} };
  },
  prepareForUpdate: prepareServiceUpdate,
  validate: validateService,
  validateUpdate: validateServiceUpdate,
};

const AFFINITY_TIMEOUT_SECONDS = 10_800;

function setDefaults({ spec, status }: Service): void {
  if (!spec) return;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  else if (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: AFFINITY_TIMEOUT_SECONDS } };
  }
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port;
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ||= 'Cluster';
  if (spec.type === 'LoadBalancer') {
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const ingress of status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
  }
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
}

function externalIp({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? [];
  if (spec?.type === 'ExternalName') return spec.externalName ?? '';
  if (spec?.type !== 'LoadBalancer') return external.join(',') || '<none>';
  const ingress = (status?.loadBalancer?.ingress ?? []).map((entry) => entry.ip || entry.hostname || '');
  return [...[...new Set(ingress.filter(Boolean))].sort(), ...external].join(',') || '<pending>';
}

function portsText({ spec }: Service): string {
  const texts = (spec?.ports ?? []).map(({ port, nodePort, protocol }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return texts.join(',') || '<none>';
}
