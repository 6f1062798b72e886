import { clusterRoles } from '../api/kinds/clusterrole.ts';
import { selects } from '../api/selectors.ts';
import type { ClusterRole } from '../api/types.ts';
import { startController } from '../client/reconcile.ts';
import { ignoreGone, sameContent } from './common.ts';
import type { ControllersOptions } from './options.ts';

type Rules = NonNullable<ClusterRole['rules']>;

/** Gives ClusterRoles with an `aggregationRule` the rules of all that it selects. */
export function startClusterRoleAggregation(options: ControllersOptions): void {
  const informer = options.informers.of(clusterRoles);
  const controller = startController({
    ...options,
    name: 'clusterroleaggregation',
    reconcile: (name) => reconcile(options, name),
  });
  informer.subscribe(() => {
    for (const role of informer.list()) if (role.aggregationRule) controller.enqueue(role.metadata.name);
  });
}

async function reconcile({ client, informers }: ControllersOptions, name: string): Promise<void> {
  const informer = informers.of(clusterRoles);
  await informer.whenSynced();
  const role = informer.get(name);
  if (!role?.aggregationRule) return;
  const rules = aggregatedRules(role, informer.list());
  if (sameContent(role.rules ?? [], rules)) return;
  await client.patch(clusterRoles, { name }, { type: 'merge', body: { rules } }).catch(ignoreGone);
}

/** Rules of the selected roles in the order of their names, each once; a role never selects itself. */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): Rules {
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
  const selected = all.filter(
    ({ metadata }) =>
      metadata.name !== role.metadata.name && selectors.some((selector) => selects(selector, metadata.labels ?? {})),
  );
  const sorted = selected.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const rules = sorted.flatMap(({ rules = [] }) => rules);
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}
