import { ageColumn, column, labelsText, nameColumn, wide } from '../columns.ts';
import type { Resource } from '../resource.ts';
import { isExternallyAccessible, validateService, validateServiceUpdate } from '../service/validation.ts';
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
  prepareForUpdate: keepAllocated,
  validate: validateService,
  validateUpdate: validateServiceUpdate,
};

const AFFINITY_TIMEOUT_SECONDS = 10_800;

function setDefaults({ spec }: Service): void {
  if (!spec) return;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  else spec.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: AFFINITY_TIMEOUT_SECONDS } };
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port;
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ||= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
}

/** A client that leaves allocated fields out of its update means to keep them. */
function keepAllocated(service: Service, old: Service): void {
  const [spec, before] = [service.spec, old.spec];
  if (!spec || !before) return;
  if (spec.type === 'ExternalName') return clearAllocated(service, old);
  if (!spec.clusterIP && before.clusterIP) spec.clusterIP = before.clusterIP;
  if (!spec.clusterIPs?.length && spec.clusterIP === before.clusterIP) spec.clusterIPs = before.clusterIPs;
  if (!spec.ipFamilies?.length) spec.ipFamilies = before.ipFamilies;
  spec.ipFamilyPolicy ??= before.ipFamilyPolicy;
  if (spec.type === 'ClusterIP') return dropNodePorts(service, old);
  if (before.type === 'ClusterIP' || before.type === 'ExternalName') return;
  for (const port of spec.ports ?? []) {
    const twin = before.ports?.find((other) => other.port === port.port && other.protocol === port.protocol);
    port.nodePort ||= twin?.nodePort;
  }
}

/** kubectl sends back the node ports it read when only the type is changed. */
function dropNodePorts(service: Service, old: Service): void {
  if (old.spec?.type === 'ClusterIP') return;
  const before = new Set(old.spec?.ports?.map((port) => port.nodePort));
  for (const port of service.spec?.ports ?? []) if (before.has(port.nodePort)) delete port.nodePort;
  if (service.spec?.externalIPs?.length) return;
  if (service.spec?.externalTrafficPolicy === old.spec?.externalTrafficPolicy)
    delete service.spec?.externalTrafficPolicy;
  delete service.spec?.allocateLoadBalancerNodePorts;
}

function clearAllocated(service: Service, old: Service): void {
  const spec = service.spec!;
  if (spec.clusterIP === old.spec?.clusterIP) {
    delete spec.clusterIP;
    delete spec.clusterIPs;
  }
  delete spec.ipFamilies;
  delete spec.ipFamilyPolicy;
  delete spec.internalTrafficPolicy;
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
