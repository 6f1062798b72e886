import type { PolicyRule } from './rules.ts';

/** A role as the bootstrap policy writes it down. */
export interface RoleDefinition {
  readonly name: string;
  /** Empty for a ClusterRole. */
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Its rules are those of the ClusterRoles with this label. */
  readonly aggregates?: string;
  readonly rules: readonly PolicyRule[];
}

export interface BindingDefinition {
  readonly name: string;
  /** Empty for a ClusterRoleBinding. */
  readonly namespace?: string;
  readonly role: string;
  readonly groups?: readonly string[];
  readonly users?: readonly string[];
  /** `namespace/name` */
  readonly serviceAccounts?: readonly string[];
}

export const READ = 'get list watch';
export const WRITE = 'create delete deletecollection patch update';

/** A rule from lists parted by blanks; `core` is the group without a name. */
export function on(verbs: string, groups: string, resources: string, names?: string): PolicyRule {
  const apiGroups = words(groups).map((group) => (group === 'core' ? '' : group));
  return {
    apiGroups,
    ...(names ? { resourceNames: words(names) } : {}),
    resources: words(resources),
    verbs: words(verbs),
  };
}

/** A rule for paths outside the resources. */
export function at(verbs: string, urls: string): PolicyRule {
  return { nonResourceURLs: words(urls), verbs: words(verbs) };
}

export const events = on('create patch update', 'core events.k8s.io', 'events');

function words(text: string): string[] {
  return text.split(/\s+/);
}
