import type { ClusterState } from './cluster-state.ts';
import { type Filter, final, resolvable } from './misfit.ts';
import { matchesNode, tolerates, toleratesNode, UNSCHEDULABLE_TAINT } from './node-rules.ts';
import { affinityFilter } from './pod-affinity.ts';
import { type PodInfo, portsConflict } from './pod-info.ts';
import { spreadFilter } from './topology-spread.ts';

/** All that must hold for a pod to be put on a node, as things are now; the first that does not hold is told. */
export function createFilter(info: PodInfo, state: ClusterState, volumes?: Filter): Filter {
  const filters = [
    nodeFilter(info),
    portFilter(info),
    resourceFilter(info),
    volumes,
    spreadFilter(info, state),
    affinityFilter(info, state),
  ].filter((filter) => filter !== undefined);
  return (at) => {
    for (const filter of filters) {
      const misfit = filter(at);
      if (misfit) return misfit;
    }
    return undefined;
  };
}

const CORDONED = final('node(s) were unschedulable');
const TAINTED = final('node(s) had untolerated taint(s)');
const OTHER_NODE = final("node(s) didn't match Pod's node affinity/selector");

function nodeFilter({ pod }: PodInfo): Filter {
  const spec = pod.spec!;
  const choosy = Object.keys(spec.nodeSelector ?? {}).length > 0 || spec.affinity?.nodeAffinity !== undefined;
  return (at) => {
    if (at.node!.spec?.unschedulable && !tolerates(spec, UNSCHEDULABLE_TAINT)) return CORDONED;
    if (!toleratesNode(spec, at)) return TAINTED;
    return choosy && !matchesNode(spec, at) ? OTHER_NODE : undefined;
  };
}

const PORT_TAKEN = resolvable("node(s) didn't have free ports for the requested pod ports");

function portFilter({ hostPorts }: PodInfo): Filter | undefined {
  if (hostPorts.length === 0) return undefined;
  return (at) =>
    hostPorts.some((port) => at.hostPorts.some((taken) => portsConflict(port, taken))) ? PORT_TAKEN : undefined;
}

function resourceFilter({ requests }: PodInfo): Filter {
  const wanted = [...requests].filter(([, amount]) => amount > 0);
  return (at) => {
    const lacking: string[] = [];
    let hopeless = false;
    if (at.pods.size + 1 > (at.allocatable.get('pods') ?? 0)) lacking.push('Too many pods');
    for (const [name, amount] of wanted) {
      const allocatable = at.allocatable.get(name) ?? 0;
      if ((at.requested.get(name) ?? 0) + amount <= allocatable) continue;
      lacking.push(`Insufficient ${name}`);
      if (amount > allocatable) hopeless = true;
    }
    return lacking.length > 0 ? { reasons: lacking, resolvable: !hopeless } : undefined;
  };
}
