import { isDeepStrictEqual } from 'node:util';
import { ApiError, qualifiedResource } from '../../api/errors.ts';
import type { KubeObject, Node, Pod } from '../../api/types.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import { nodeOf } from './names.ts';

const MIRROR = 'kubernetes.io/config.mirror';
const RESTRICTED_LABEL = 'node-restriction.kubernetes.io/';

/** A node's agent writes its own Node and its own pods, no others' (Kubernetes' NodeRestriction admission). */
export const nodeRestriction: AdmissionPlugin = {
  validate(attributes) {
    const node = nodeOf(attributes.user);
    if (node === undefined || attributes.resource.group !== '') return undefined;
    const { plural } = attributes.resource;
    const why = plural === 'nodes' ? checkNode(node, attributes) : plural === 'pods' ? checkPod(node, attributes) : '';
    if (why !== '') throw refused(attributes, why);
    return undefined;
  },
};

function checkNode(node: string, { operation, name, object, old }: AdmissionAttributes): string {
  if (name !== node) {
    const verb = operation === 'CREATE' ? 'create' : operation === 'DELETE' ? 'delete' : 'modify';
    return `node ${quoted(node)} is not allowed to ${verb} node ${quoted(name)}`;
  }
  const forbidden = [...changedLabels(object, old)].filter((label) => label.startsWith(RESTRICTED_LABEL));
  if (forbidden.length > 0) {
    return `is not allowed to modify labels: ${forbidden.sort().join(', ')}`;
  }
  const taints = (of: KubeObject | undefined) => (of as Node | undefined)?.spec?.taints ?? [];
  if (operation === 'UPDATE' && !isDeepStrictEqual(taints(object), taints(old))) {
    return `node ${quoted(node)} is not allowed to modify taints`;
  }
  return '';
}

function changedLabels(object: KubeObject | undefined, old: KubeObject | undefined): Set<string> {
  const before = old?.metadata.labels ?? {};
  const after = object?.metadata.labels ?? {};
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return new Set([...keys].filter((key) => before[key] !== after[key]));
}

function checkPod(node: string, attributes: AdmissionAttributes): string {
  const { operation, subresource, object, old } = attributes;
  const onNode = (of: KubeObject | undefined) => (of as Pod | undefined)?.spec?.nodeName === node;
  const who = `node ${quoted(node)}`;
  if (subresource === 'eviction')
    return onNode(old) ? '' : `${who} can only evict pods with spec.nodeName set to itself`;
  switch (operation) {
    case 'CREATE':
      if (!object?.metadata.annotations?.[MIRROR]) {
        return `pod does not have ${quoted(MIRROR)} annotation, ${who} can only create mirror pods`;
      }
      return onNode(object) ? '' : `${who} can only create pods with spec.nodeName set to itself`;
    case 'UPDATE':
      if (subresource !== 'status')
        return `unexpected operation "${operation}", ${who} can only create and delete mirror pods`;
      return onNode(old) ? '' : `${who} can only update pod status for pods with spec.nodeName set to itself`;
    case 'DELETE':
      return onNode(old) ? '' : `${who} can only delete pods with spec.nodeName set to itself`;
    default:
      return '';
  }
}

function refused({ resource, name }: AdmissionAttributes, why: string): ApiError {
  const details = { name, group: resource.group || undefined, kind: resource.plural };
  return new ApiError('Forbidden', `${qualifiedResource(resource)} ${quoted(name)} is forbidden: ${why}`, details);
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
