import { matchesPath, type PolicyRule } from './rules.ts';

/**
 * Rules of `wanted` that `held` do not grant, one verb, group, resource and name each and then put together again by
 * their verbs: what an attempt to hand them on would escalate. Empty when all are held.
 */
export function missingRules(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  const missing = wanted.flatMap(breakDown).filter((rule) => !held.some((owner) => grants(owner, rule)));
  return compact(missing);
}

/** A rule as rules of a single verb, group, resource and name. */
function breakDown(rule: PolicyRule): PolicyRule[] {
  const urls = (rule.nonResourceURLs ?? []).flatMap((url) =>
    rule.verbs.map((verb) => ({ verbs: [verb], nonResourceURLs: [url] })),
  );
  const single = (rule.apiGroups ?? []).flatMap((group) =>
    (rule.resources ?? []).flatMap((resource) =>
      rule.verbs.map((verb): PolicyRule => ({ verbs: [verb], apiGroups: [group], resources: [resource] })),
    ),
  );
  if (!rule.resourceNames?.length) return [...single, ...urls];
  return [
    ...single.flatMap((each) => rule.resourceNames!.map((name) => ({ ...each, resourceNames: [name] }))),
    ...urls,
  ];
}

/** Whether a rule grants a broken-down one. */
function grants(
  owner: PolicyRule,
  { verbs, apiGroups, resources, resourceNames, nonResourceURLs }: PolicyRule,
): boolean {
  if (!hasAll(owner.verbs, verbs)) return false;
  if (nonResourceURLs) {
    return nonResourceURLs.every((url) => owner.nonResourceURLs?.some((pattern) => matchesPath(pattern, url)));
  }
  if (!hasAll(owner.apiGroups, apiGroups) || !resources?.every((resource) => hasResource(owner, resource)))
    return false;
  if (!owner.resourceNames?.length) return true;
  return resourceNames?.every((name) => owner.resourceNames!.includes(name)) ?? false;
}

function hasAll(owned: readonly string[] | undefined, wanted: readonly string[] | undefined): boolean {
  return owned !== undefined && (owned.includes('*') || (wanted ?? []).every((value) => owned.includes(value)));
}

function hasResource({ resources = [] }: PolicyRule, resource: string): boolean {
  const [, subresource] = resource.split('/');
  return resources.some((own) => own === '*' || own === resource || (subresource && own === `*/${subresource}`));
}

/** Rules of the same groups, resources and names as one, with all their verbs. */
function compact(rules: readonly PolicyRule[]): PolicyRule[] {
  const merged = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const { verbs, ...what } = rule;
    const key = JSON.stringify(what);
    merged.set(key, { ...what, verbs: [...(merged.get(key)?.verbs ?? []), ...verbs] });
  }
  return [...merged.values()].map((rule) => ({ ...rule, verbs: [...new Set(rule.verbs)] }));
}
