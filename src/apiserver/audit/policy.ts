import { parse } from 'yaml';
import { isObject } from '../../api/patch/merge.ts';
import type { Attributes } from '../options.ts';
import { matchesPath } from '../rbac/rules.ts';
import type { UserInfo } from '../request.ts';

export type Level = 'None' | 'Metadata' | 'Request' | 'RequestResponse';
export type Stage = 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic';

/** `audit.k8s.io/v1 PolicyRule`. */
interface Rule {
  readonly level: Level;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly resources?: readonly { group?: string; resources?: readonly string[]; resourceNames?: readonly string[] }[];
  readonly namespaces?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly omitStages?: readonly Stage[];
}

/** What is written of a request. */
export interface AuditDecision {
  readonly level: Level;
  readonly omitStages: readonly Stage[];
}

export type AuditPolicy = (user: UserInfo, attributes: Attributes) => AuditDecision;

const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'];

/** Everything at Metadata level, once it is answered. */
export const metadataPolicy: AuditPolicy = () => ({ level: 'Metadata', omitStages: ['RequestReceived'] });

/** The policy of an `audit.k8s.io/v1 Policy` in YAML: the first rule that matches counts, none means None. Throws. */
export function parseAuditPolicy(text: string): AuditPolicy {
  const policy: unknown = parse(text);
  if (!isObject(policy) || policy['kind'] !== 'Policy' || policy['apiVersion'] !== 'audit.k8s.io/v1') {
    throw new Error('audit policy: expected kind Policy of audit.k8s.io/v1');
  }
  const rules = (policy['rules'] ?? []) as readonly Rule[];
  const unknown = rules.find(({ level }) => !LEVELS.includes(level));
  if (unknown) throw new Error(`audit policy: expected a level of ${LEVELS.join(', ')}, actual ${unknown.level}`);
  const omitted = (policy['omitStages'] ?? []) as readonly Stage[];
  return (user, attributes) => {
    const rule = rules.find((each) => ruleMatches(each, user, attributes));
    return { level: rule?.level ?? 'None', omitStages: [...omitted, ...(rule?.omitStages ?? [])] };
  };
}

function ruleMatches(rule: Rule, user: UserInfo, attributes: Attributes): boolean {
  if (!listed(rule.users, user.username) || !listed(rule.verbs, attributes.verb)) return false;
  if (rule.userGroups?.length && !rule.userGroups.some((group) => user.groups.includes(group))) return false;
  if ('path' in attributes) {
    if (rule.resources?.length || rule.namespaces?.length) return false;
    return !rule.nonResourceURLs?.length || rule.nonResourceURLs.some((url) => matchesPath(url, attributes.path));
  }
  if (rule.nonResourceURLs?.length) return false;
  if (!listed(rule.namespaces, attributes.namespace)) return false;
  if (!rule.resources?.length) return true;
  const { resource, subresource, name } = attributes;
  const names = subresource
    ? [`${resource}/${subresource}`, `*/${subresource}`, `${resource}/*`, '*']
    : [resource, '*'];
  return rule.resources.some(
    ({ group = '', resources = [], resourceNames = [] }) =>
      group === attributes.group &&
      (resources.length === 0 || resources.some((each) => names.includes(each))) &&
      (resourceNames.length === 0 || resourceNames.includes(name)),
  );
}

function listed(values: readonly string[] | undefined, value: string): boolean {
  return !values?.length || values.includes(value);
}
