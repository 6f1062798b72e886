import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import { connect } from '../local/connect.ts';
import type { ClusterPlan } from '../local/plan.ts';
import { IPVS_SCHEDULERS, MODE_ANNOTATION, MODE_NAMES, parseModeChoice } from '../proxy/mode.ts';
import { UsageError } from './command.ts';

/** Throws {@link UsageError} unless `text` is a mode of the proxy. */
export function checkMode(text: string, flag: string): void {
  if (parseModeChoice(text)) return;
  const expected = `${MODE_NAMES.join(', ')}, or ipvs/SCHEDULER with ${IPVS_SCHEDULERS.join(', ')}`;
  throw new UsageError(`${flag}: expected ${expected}, actual: ${text}`);
}

/** The mode that a node is to be in: what its Node asks for, else what it was started with. */
export function wantedMode(node: Node | undefined, started: string): string {
  return node?.metadata.annotations?.[MODE_ANNOTATION] ?? started;
}

/** Asks each node of the plan for the mode in it, unless that is what it wants already. */
export async function requestModes(plan: ClusterPlan, clock: Clock): Promise<void> {
  const { client } = connect(plan, clock);
  const { items } = await client.list(nodes);
  const known = new Map(items.map((node) => [node.metadata.name, node]));
  for (const { name, proxyMode } of plan.nodes) {
    const node = known.get(name);
    if (node?.metadata.annotations?.[MODE_ANNOTATION] === proxyMode) continue;
    const body = { metadata: { annotations: { [MODE_ANNOTATION]: proxyMode } } };
    await client.patch(nodes, { name }, { type: 'merge', body });
  }
}
