import { isDeepStrictEqual } from 'node:util';
import { type FieldError, forbidden, invalidValue } from '../field-error.ts';
import type { Service } from '../types.ts';
import { isExternallyAccessible } from './validation.ts';

type Spec = NonNullable<Service['spec']>;

/** What an update means where the client left allocated fields out, or where a new type has no use for them. */
export function prepareServiceUpdate(service: Service, old: Service): void {
  const [spec, before] = [service.spec, old.spec];
  if (!spec || !before) return;
  keepAddresses(spec, before);
  keepPorts(spec, before);
  dropAddresses(spec, before);
  dropPorts(spec, before);
  dropPolicies(spec, before);
  if (spec.type !== 'LoadBalancer' && service.status) service.status.loadBalancer = {};
}

function hasClusterIp(spec: Spec): boolean {
  return spec.type !== 'ExternalName';
}

function usesNodePorts(spec: Spec): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer';
}

/** Load balancers that must send traffic only to nodes with endpoints need a port to ask. */
export function needsHealthPort(spec: Spec): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}

function keepAddresses(spec: Spec, before: Spec): void {
  if (!hasClusterIp(spec) || !hasClusterIp(before)) return;
  spec.clusterIP ||= before.clusterIP;
  const moved = spec.clusterIP !== before.clusterIP;
  if (!moved && !spec.clusterIPs?.length) spec.clusterIPs = before.clusterIPs;
  if (moved && isDeepStrictEqual(spec.clusterIPs, before.clusterIPs)) spec.clusterIPs = [spec.clusterIP!];
  if (!spec.ipFamilies?.length) spec.ipFamilies = before.ipFamilies;
  spec.ipFamilyPolicy ??= before.ipFamilyPolicy;
}

function keepPorts(spec: Spec, before: Spec): void {
  if (needsHealthPort(spec) && needsHealthPort(before)) spec.healthCheckNodePort ||= before.healthCheckNodePort;
  if (!usesNodePorts(spec) || !usesNodePorts(before)) return;
  const byName = new Map(before.ports?.map((port) => [port.name ?? '', port.nodePort]));
  const asked = new Set(spec.ports?.map((port) => port.nodePort));
  for (const port of spec.ports ?? []) {
    const known = byName.get(port.name ?? '');
    if (!port.nodePort && known && !asked.has(known)) port.nodePort = known;
  }
}

/** Only what the client sent back as it was: what it changed itself is for validation to refuse. */
function dropAddresses(spec: Spec, before: Spec): void {
  if (hasClusterIp(spec)) return;
  if (spec.clusterIP === before.clusterIP && isDeepStrictEqual(spec.clusterIPs, before.clusterIPs)) {
    delete spec.clusterIP;
    delete spec.clusterIPs;
  }
  dropSame(spec, before, 'ipFamilies');
  dropSame(spec, before, 'ipFamilyPolicy');
}

function dropPorts(spec: Spec, before: Spec): void {
  if (needsHealthPort(before) && !needsHealthPort(spec)) dropSame(spec, before, 'healthCheckNodePort');
  if (usesNodePorts(spec) || !usesNodePorts(before)) return;
  const known = new Set(before.ports?.map((port) => port.nodePort));
  if (spec.ports?.some((port) => port.nodePort && !known.has(port.nodePort))) return;
  for (const port of spec.ports ?? []) delete port.nodePort;
}

function dropPolicies(spec: Spec, before: Spec): void {
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    dropSame(spec, before, 'allocateLoadBalancerNodePorts');
    dropSame(spec, before, 'loadBalancerClass');
  }
  if (isExternallyAccessible(before) && !isExternallyAccessible(spec)) dropSame(spec, before, 'externalTrafficPolicy');
}

function dropSame(spec: Spec, before: Spec, field: keyof Spec): void {
  if (isDeepStrictEqual(spec[field], before[field])) delete spec[field];
}

const SET_ONCE = 'may not change once set';

/** What may not change in a Service (core/v1 `ValidateServiceUpdate`). */
export function validateServiceUpdate(service: Service, old: Service): FieldError[] {
  const [spec, before] = [service.spec, old.spec];
  if (!spec || !before) return [];
  const errors: FieldError[] = [];
  if (hasClusterIp(spec) && hasClusterIp(before)) {
    errors.push(...addressChanges(spec, before), ...familyChanges(spec, before));
  }
  const balancer = spec.type === 'LoadBalancer' && before.type === 'LoadBalancer';
  if (balancer && spec.loadBalancerClass !== before.loadBalancerClass) {
    errors.push(invalidValue('spec.loadBalancerClass', spec.loadBalancerClass, SET_ONCE));
  }
  const moved = spec.healthCheckNodePort !== before.healthCheckNodePort;
  if (needsHealthPort(spec) && needsHealthPort(before) && moved) {
    errors.push(forbidden('spec.healthCheckNodePort', 'field is immutable'));
  }
  return errors;
}

function addressChanges(spec: Spec, before: Spec): FieldError[] {
  const [ips, kept] = [spec.clusterIPs ?? [], before.clusterIPs ?? []];
  if (isHeadless(spec) && isHeadless(before)) return [];
  return listChanges(ips, kept, { field: 'spec.clusterIPs', noun: 'clusterIP', policy: spec.ipFamilyPolicy });
}

function familyChanges(spec: Spec, before: Spec): FieldError[] {
  if (isHeadless(spec) || isHeadless(before)) return [];
  const [families, kept] = [spec.ipFamilies ?? [], before.ipFamilies ?? []];
  return listChanges(families, kept, { field: 'spec.ipFamilies', noun: 'ipFamily', policy: spec.ipFamilyPolicy });
}

function isHeadless(spec: Spec): boolean {
  return spec.clusterIPs?.[0] === 'None';
}

interface ListRule {
  readonly field: string;
  readonly noun: string;
  readonly policy: string | undefined;
}

/** The first value is the primary one and stays; the second may come, and goes only with policy SingleStack. */
function listChanges(values: readonly string[], before: readonly string[], rule: ListRule): FieldError[] {
  if (before.length === 0) return [];
  if (values.length === 0) return [invalidValue(`${rule.field}[0]`, [], `primary ${rule.noun} can not be unset`)];
  const compared = values.length === before.length ? before.length : 1;
  const errors = values.slice(0, compared).flatMap((value, index) => {
    return value === before[index] ? [] : [invalidValue(`${rule.field}[${index}]`, values, SET_ONCE)];
  });
  if (values.length >= before.length || rule.policy === 'SingleStack') return errors;
  const detail = `must be set to 'SingleStack' when releasing the secondary ${rule.noun}`;
  return [...errors, invalidValue('spec.ipFamilyPolicy', rule.policy, detail)];
}
