import { parseCidr, parseIp } from '../../lib/ip.ts';
import {
  duplicateValue,
  type FieldError,
  forbidden,
  invalidValue,
  notSupported,
  requiredValue,
} from '../field-error.ts';
import { validateLabels } from '../meta-validation.ts';
import { checkName, checkPortName, checkQualifiedName } from '../names.ts';
import { portNumber, supported } from '../pod/validation.ts';
import type { ServicePort } from '../resource.ts';
import type { Service } from '../types.ts';
import { IP_DETAIL, validateEndpointIp } from './address.ts';

type ServiceSpec = NonNullable<Service['spec']>;

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

/** The rules of a Service after defaulting (core/v1 `ValidateService`). */
export function validateService(service: Service): FieldError[] {
  const spec = service.spec;
  if (!spec) return [requiredValue('spec.ports')];
  return [
    ...validateType(spec),
    ...validatePorts(spec),
    ...validateLabels(spec.selector, 'spec.selector'),
    ...validateAffinity(spec),
    ...validateClusterIps(spec),
    ...validateExternal(spec),
    ...validatePolicies(spec),
  ];
}

function validateType(spec: ServiceSpec): FieldError[] {
  const errors = supported(spec.type, { path: 'spec.type', values: TYPES });
  const headless = spec.clusterIPs?.[0] === 'None';
  if (headless && (spec.type === 'LoadBalancer' || spec.type === 'NodePort')) {
    const detail = `may not be set to 'None' for ${spec.type} services`;
    errors.push(invalidValue('spec.clusterIPs[0]', 'None', detail));
  }
  if (spec.type === 'ExternalName') errors.push(...validateExternalName(spec));
  else if (!spec.ports?.length && !headless) errors.push(requiredValue('spec.ports'));
  return errors;
}

function validateExternalName(spec: ServiceSpec): FieldError[] {
  const detail = 'may not be set for ExternalName services';
  const extra = (['clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const).filter((key) => spec[key]?.length);
  const errors = extra.map((key) => forbidden(`spec.${key}`, detail));
  const name = spec.externalName?.replace(/\.$/, '') ?? '';
  if (name === '') return [...errors, requiredValue('spec.externalName')];
  const broken = checkName(name, 'dns1123-subdomain');
  return [...errors, ...broken.map((text) => invalidValue('spec.externalName', name, text))];
}

function validatePorts(spec: ServiceSpec): FieldError[] {
  const ports = spec.ports ?? [];
  const errors = ports.flatMap((port, index) => validatePort(port, { at: `spec.ports[${index}]`, spec }));
  return [...errors, ...repeatedPorts(ports)];
}

function validatePort(port: ServicePort, { at, spec }: { at: string; spec: ServiceSpec }): FieldError[] {
  const named = port.name
    ? checkName(port.name, 'dns1123-label').map((text) => invalidValue(`${at}.name`, port.name, text))
    : [];
  const missing = !port.name && spec.ports!.length > 1 ? [requiredValue(`${at}.name`)] : [];
  const protocol = port.appProtocol ? checkQualifiedName(port.appProtocol) : [];
  return [
    ...missing,
    ...named,
    ...portNumber(port.port, `${at}.port`),
    ...supported(port.protocol, { path: `${at}.protocol`, values: ['SCTP', 'TCP', 'UDP'] }),
    ...validateTargetPort(port.targetPort, `${at}.targetPort`),
    ...protocol.map((text) => invalidValue(`${at}.appProtocol`, port.appProtocol, text)),
    ...(spec.type === 'ClusterIP' && port.nodePort
      ? [forbidden(`${at}.nodePort`, "may not be used when `type` is 'ClusterIP'")]
      : []),
  ];
}

function validateTargetPort(target: number | string | undefined, field: string): FieldError[] {
  if (typeof target === 'string') return checkPortName(target).map((text) => invalidValue(field, target, text));
  return target === undefined ? [] : portNumber(target, field);
}

function repeatedPorts(ports: readonly ServicePort[]): FieldError[] {
  const same = (value: (port: ServicePort) => unknown) => (port: ServicePort, index: number) =>
    value(port) !== undefined && ports.findIndex((other) => value(other) === value(port)) < index;
  const names = ports.map((port, index) => ({ port, index }));
  const byName = same((port) => port.name || undefined);
  const byPort = same((port) => `${port.protocol}/${port.port}`);
  const byNodePort = same((port) => (port.nodePort ? `${port.protocol}/${port.nodePort}` : undefined));
  return names.flatMap(({ port, index }) => [
    ...(byName(port, index) ? [duplicateValue(`spec.ports[${index}].name`, port.name)] : []),
    ...(byPort(port, index)
      ? [duplicateValue(`spec.ports[${index}]`, { port: port.port, protocol: port.protocol })]
      : []),
    ...(byNodePort(port, index) ? [duplicateValue(`spec.ports[${index}].nodePort`, port.nodePort)] : []),
  ]);
}

function validateAffinity(spec: ServiceSpec): FieldError[] {
  const errors = supported(spec.sessionAffinity, { path: 'spec.sessionAffinity', values: ['ClientIP', 'None'] });
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (spec.sessionAffinity !== 'ClientIP' || seconds === undefined || (seconds >= 1 && seconds <= 86400)) return errors;
  const field = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds';
  return [...errors, invalidValue(field, seconds, 'must be greater than 0 and less than 86400')];
}

function validateClusterIps(spec: ServiceSpec): FieldError[] {
  const ips = spec.clusterIPs ?? [];
  const errors: FieldError[] = [];
  const wrong = (detail: string, field = 'spec.clusterIPs') => errors.push(invalidValue(field, ips, detail));
  if (!spec.clusterIP && ips.length > 0) wrong('must be empty when `clusterIP` is not specified');
  if (spec.clusterIP && ips[0] !== spec.clusterIP) wrong('first value must match `clusterIP`');
  if (ips.includes('None') && ips.length > 1) wrong("'None' must be the first and only value", 'spec.clusterIPs[0]');
  if (ips.length > 2) wrong('may only hold up to 2 values');
  const families = ips.map((ip) => parseIp(ip)?.family);
  if (ips.length === 2 && families[0] !== undefined && families[0] === families[1]) {
    wrong('may specify no more than one IP for each IP family');
  }
  for (const [index, ip] of ips.entries()) {
    if (ip !== 'None') errors.push(...validateClusterIp(ip, { index, family: spec.ipFamilies?.[index] }));
  }
  return [...errors, ...validateFamilies(spec)];
}

function validateClusterIp(ip: string, at: { index: number; family: string | undefined }): FieldError[] {
  const field = `spec.clusterIPs[${at.index}]`;
  const parsed = parseIp(ip);
  if (!parsed) return [invalidValue(field, ip, IP_DETAIL)];
  if (at.family === undefined || at.family === `IPv${parsed.family}`) return [];
  return [invalidValue(field, ip, `expected an ${at.family} value as indicated by \`ipFamilies[${at.index}]\``)];
}

const FAMILIES = ['IPv4', 'IPv6'];

function validateFamilies(spec: ServiceSpec): FieldError[] {
  const families: readonly string[] = spec.ipFamilies ?? [];
  const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];
  return [
    ...supported(spec.ipFamilyPolicy, { path: 'spec.ipFamilyPolicy', values: policies }),
    ...families.flatMap((family, index) => {
      const field = `spec.ipFamilies[${index}]`;
      const repeated = families.indexOf(family) < index ? [duplicateValue(field, family)] : [];
      return FAMILIES.includes(family) ? repeated : [notSupported(field, family, FAMILIES)];
    }),
  ];
}

function validateExternal(spec: ServiceSpec): FieldError[] {
  const ips = (spec.externalIPs ?? []).flatMap((ip, index) => validateEndpointIp(ip, `spec.externalIPs[${index}]`));
  const balancer = spec.type === 'LoadBalancer';
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const onlyBalancer = "may only be used when `type` is 'LoadBalancer'";
  if (!balancer) {
    if (ranges.length > 0) ips.push(forbidden('spec.LoadBalancerSourceRanges', onlyBalancer));
    if (spec.loadBalancerClass) ips.push(forbidden('spec.loadBalancerClass', onlyBalancer));
    if (spec.allocateLoadBalancerNodePorts !== undefined) {
      ips.push(forbidden('spec.allocateLoadBalancerNodePorts', onlyBalancer));
    }
    return ips;
  }
  const bad = ranges.map((range, index) => ({ range, index })).filter(({ range }) => !parseCidr(range.trim()));
  const detail = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
  const className = spec.loadBalancerClass ? checkQualifiedName(spec.loadBalancerClass) : [];
  return [
    ...ips,
    ...className.map((text) => invalidValue('spec.loadBalancerClass', spec.loadBalancerClass, text)),
    ...bad.map(({ range, index }) => invalidValue(`spec.LoadBalancerSourceRanges[${index}]`, range, detail)),
  ];
}

function validatePolicies(spec: ServiceSpec): FieldError[] {
  const errors = supported(spec.internalTrafficPolicy, {
    path: 'spec.internalTrafficPolicy',
    values: ['Cluster', 'Local'],
  });
  const field = 'spec.externalTrafficPolicy';
  if (spec.externalTrafficPolicy && !isExternallyAccessible(spec)) {
    errors.push(invalidValue(field, spec.externalTrafficPolicy, 'may only be set for externally-accessible services'));
  } else {
    errors.push(...supported(spec.externalTrafficPolicy, { path: field, values: ['Cluster', 'Local'] }));
  }
  const health = spec.healthCheckNodePort;
  if (health && !(spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local')) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalidValue('spec.healthCheckNodePort', health, detail));
  }
  const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
  return [
    ...errors,
    ...supported(spec.trafficDistribution, { path: 'spec.trafficDistribution', values: distributions }),
  ];
}

/** Reachable from outside by its type or by externalIPs. */
export function isExternallyAccessible(spec: ServiceSpec): boolean {
  const external = spec.type === 'ClusterIP' && (spec.externalIPs?.length ?? 0) > 0;
  return spec.type === 'LoadBalancer' || spec.type === 'NodePort' || external;
}
