import type { LabelSelectorObject } from '../../api/selectors.ts';
import { selects } from '../../api/selectors.ts';
import type { KubeObject } from '../../api/types.ts';
import type { AdmissionAttributes } from '../admission.ts';

/** `admissionregistration.k8s.io/v1 RuleWithOperations` (and `NamedRuleWithOperations`). */
export interface OperationRule {
  readonly operations?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly apiVersions?: readonly string[];
  /** `pods`, `pods/status`, `pods/*`, `*`, `*`+`/*` */
  readonly resources?: readonly string[];
  readonly scope?: string;
  readonly resourceNames?: readonly string[];
}

/** What webhooks and policies have in common: which writes concern them. */
export interface MatchResources {
  readonly rules: readonly OperationRule[];
  readonly excludeRules?: readonly OperationRule[];
  readonly matchPolicy?: string;
  readonly namespaceSelector?: LabelSelectorObject;
  readonly objectSelector?: LabelSelectorObject;
}

export interface Surroundings {
  /** Labels of the write's namespace; undefined for kinds of the cluster and when there is none. */
  readonly namespaceLabels: Readonly<Record<string, string>> | undefined;
  /** All versions that the kind is served in, the request's own included. */
  readonly versions: readonly string[];
}

/** Whether a write concerns a webhook or policy. `conditions` of expressions are not looked at. */
export function matches(match: MatchResources, attributes: AdmissionAttributes, around: Surroundings): boolean {
  const versions = match.matchPolicy === 'Exact' ? [attributes.resource.version] : around.versions;
  const hit = (rule: OperationRule) => versions.some((version) => ruleMatches(rule, attributes, version));
  if (!match.rules.some(hit) || match.excludeRules?.some(hit)) return false;
  return namespaceMatches(match, attributes, around) && objectMatches(match, attributes);
}

function ruleMatches(rule: OperationRule, attributes: AdmissionAttributes, version: string): boolean {
  const { resource, operation, name } = attributes;
  return (
    has(rule.operations, operation) &&
    has(rule.apiGroups, resource.group) &&
    has(rule.apiVersions, version) &&
    resourceMatches(rule.resources ?? [], attributes) &&
    scopeMatches(rule.scope, attributes) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(name))
  );
}

function has(values: readonly string[] | undefined, value: string): boolean {
  return values?.some((entry) => entry === '*' || entry === value) ?? false;
}

function resourceMatches(patterns: readonly string[], { resource, subresource }: AdmissionAttributes): boolean {
  return patterns.some((pattern) => {
    const [plural, sub = ''] = pattern.split('/');
    return (plural === '*' || plural === resource.plural) && (sub === '*' || sub === subresource);
  });
}

function scopeMatches(scope: string | undefined, { resource, namespace }: AdmissionAttributes): boolean {
  if (scope === undefined || scope === '*') return true;
  // A Namespace lives in no namespace, though its requests name one.
  const namespaced = resource.namespaced && namespace !== '';
  return scope === (namespaced ? 'Namespaced' : 'Cluster');
}

function namespaceMatches(match: MatchResources, attributes: AdmissionAttributes, around: Surroundings): boolean {
  if (isEmpty(match.namespaceSelector)) return true;
  const { resource, object, old } = attributes;
  if (resource.group === '' && resource.plural === 'namespaces') {
    return selects(match.namespaceSelector, labelsOf(object ?? old));
  }
  if (!resource.namespaced) return true;
  return selects(match.namespaceSelector, around.namespaceLabels ?? {});
}

/** The object as it was, or as it will be. */
function objectMatches({ objectSelector }: MatchResources, { object, old }: AdmissionAttributes): boolean {
  if (isEmpty(objectSelector)) return true;
  return [object, old].some((each) => each !== undefined && selects(objectSelector, labelsOf(each)));
}

function isEmpty(selector: LabelSelectorObject | undefined): boolean {
  return !selector || Object.values(selector).every((part) => Object.keys(part ?? {}).length === 0);
}

function labelsOf(object: KubeObject | undefined): Record<string, string> {
  return object?.metadata.labels ?? {};
}
