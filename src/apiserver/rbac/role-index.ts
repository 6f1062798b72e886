import type { Change, KeyValue, Store } from '../../store/store.ts';
import { serviceAccountUser } from '../auth/names.ts';
import { objectOf } from '../objects.ts';
import type { UserInfo } from '../request.ts';
import type { PolicyRule } from './rules.ts';

const GROUP = 'rbac.authorization.k8s.io';
const PREFIX = `/${GROUP}/`;

export interface RoleRef {
  readonly kind: string;
  readonly name: string;
}

/** A binding that concerns a user, with the rules of its role. */
export interface Grant {
  /** Empty for a ClusterRoleBinding. */
  readonly namespace: string;
  readonly binding: string;
  readonly roleRef: RoleRef;
  readonly subject: Subject;
  /** Undefined when the role does not exist. */
  readonly rules: readonly PolicyRule[] | undefined;
}

export interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

interface Binding {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly roleRef: RoleRef;
  readonly subjects?: readonly Subject[];
}

/** Bindings by the user or group that they concern. */
type BySubject = Map<string, Map<string, { binding: Binding; subject: Subject }>>;

/** Roles and bindings of a store, found by who asks; kept current by a watch, so that a write counts once it is answered. */
export class RoleIndex {
  /** By namespace; the empty one holds ClusterRoleBindings. */
  readonly #bindings = new Map<string, BySubject>();
  /** By `namespace/name`; ClusterRoles by `/name`. */
  readonly #rules = new Map<string, readonly PolicyRule[]>();

  constructor(store: Store) {
    store.watch(PREFIX, 0, (change) => this.#apply(change));
    for (const item of store.list(PREFIX).items) this.#put(item);
  }

  /** Every binding that concerns `user` in `namespace`: those of the cluster first. */
  *grantsOf(user: UserInfo, namespace: string): Generator<Grant> {
    for (const scope of namespace ? ['', namespace] : ['']) {
      const bySubject = this.#bindings.get(scope);
      if (!bySubject) continue;
      for (const key of subjectKeys(user)) {
        for (const { binding, subject } of bySubject.get(key)?.values() ?? []) {
          const { roleRef, metadata } = binding;
          yield { namespace: scope, binding: metadata.name, roleRef, subject, rules: this.rulesOf(roleRef, scope) };
        }
      }
    }
  }

  /** Rules of a role; undefined when it does not exist. */
  rulesOf({ kind, name }: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    return this.#rules.get(kind === 'ClusterRole' ? `/${name}` : `${namespace}/${name}`);
  }

  #apply({ previous, current }: Change): void {
    if (previous) this.#drop(previous);
    if (current) this.#put(current);
  }

  #put(item: KeyValue): void {
    const { scope, name, isRole } = placeOf(item.key);
    if (isRole) {
      this.#rules.set(`${scope}/${name}`, (objectOf(item) as { rules?: PolicyRule[] }).rules ?? []);
      return;
    }
    const binding = objectOf(item) as unknown as Binding;
    for (const subject of binding.subjects ?? []) {
      const key = subjectKey(subject, scope);
      if (key) entry(entry(this.#bindings, scope), key).set(name, { binding, subject });
    }
  }

  #drop(item: KeyValue): void {
    const { scope, name, isRole } = placeOf(item.key);
    if (isRole) {
      this.#rules.delete(`${scope}/${name}`);
      return;
    }
    const bySubject = this.#bindings.get(scope);
    for (const subject of (objectOf(item) as unknown as Binding).subjects ?? []) {
      const key = subjectKey(subject, scope);
      const named = key && bySubject?.get(key);
      if (!named) continue;
      named.delete(name);
      if (named.size === 0) bySubject?.delete(key);
    }
  }
}

function placeOf(key: string): { scope: string; name: string; isRole: boolean } {
  const [plural = '', ...rest] = key.slice(PREFIX.length).split('/');
  const name = rest.at(-1) ?? '';
  return { scope: rest.length > 1 ? rest[0]! : '', name, isRole: plural === 'roles' || plural === 'clusterroles' };
}

function entry<K, V extends Map<unknown, unknown>>(map: Map<K, V>, key: K): V {
  let found = map.get(key);
  if (!found) {
    found = new Map() as V;
    map.set(key, found);
  }
  return found;
}

function subjectKeys({ username, groups }: UserInfo): string[] {
  return [`user ${username}`, ...groups.map((group) => `group ${group}`)];
}

function subjectKey({ kind, name, namespace }: Subject, scope: string): string | undefined {
  if (kind === 'User') return `user ${name}`;
  if (kind === 'Group') return `group ${name}`;
  if (kind === 'ServiceAccount') return `user ${serviceAccountUser(namespace || scope, name)}`;
  return undefined;
}
