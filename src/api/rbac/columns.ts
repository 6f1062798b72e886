import { column, wide } from '../columns.ts';
import type { Column } from '../resource.ts';

/** What a RoleBinding and a ClusterRoleBinding have in common. */
export interface Binding {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
}

export const roleColumn: Column<Binding> = column('Role', ({ roleRef }) => `${roleRef.kind}/${roleRef.name}`);

/** Who is bound, by kind, for `-o wide`. */
export const subjectColumns: readonly Column<Binding>[] = [
  wide('Users', (binding) => namesOf(binding, 'User')),
  wide('Groups', (binding) => namesOf(binding, 'Group')),
  wide('ServiceAccounts', ({ subjects = [] }) => {
    const accounts = subjects.filter(({ kind }) => kind === 'ServiceAccount');
    return accounts.map(({ namespace, name }) => `${namespace}/${name}`).join(', ');
  }),
];

function namesOf({ subjects = [] }: Binding, kind: string): string {
  const named = subjects.filter((subject) => subject.kind === kind);
  return named.map(({ name }) => name).join(', ');
}
