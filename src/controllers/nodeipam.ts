import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import { startController } from '../client/reconcile.ts';
import { type Cidr, cidrSize, formatCidr, parseCidr, subnet } from '../lib/ip.ts';
import type { ControllersOptions } from './options.ts';

/** Gives every node its share of the cluster's pod addresses. */
export function startNodeIpam(options: ControllersOptions): void {
  const { client, informers } = options;
  const networks = networksOf(options);
  const given = new Map<string, readonly string[]>();
  const controller = startController({
    ...options,
    name: 'nodeipam',
    // One at a time: two nodes must not be given the same share.
    workers: 1,
    reconcile: async (name) => {
      await informers.of(nodes).whenSynced();
      const node = informers.of(nodes).get(name);
      if (!node || node.spec?.podCIDR) return;
      const used = () => [...taken(informers.of(nodes).list()), ...[...given.values()].flat()];
      const podCIDRs = given.get(name) ?? networks.map((network) => freeShare({ ...network, taken: used() }) ?? '');
      if (podCIDRs.includes('')) throw new Error(`no pod CIDR is left for node ${name}`);
      given.set(name, podCIDRs);
      await client.patch(nodes, { name }, { type: 'merge', body: { spec: { podCIDR: podCIDRs[0], podCIDRs } } });
    },
  });
  informers.of(nodes).subscribe((change) => {
    if (change.type === 'deleted') given.delete(change.object.metadata.name);
    else controller.enqueue(change.object.metadata.name);
  });
}

function taken(all: readonly Node[]): string[] {
  return all.flatMap(({ spec }) => spec?.podCIDRs ?? spec?.podCIDR ?? []);
}

/** Prefix of a node's share of IPv6 addresses. */
const NODE_PREFIX_IPV6 = 64;

/** The cluster's networks of pods, the primary family first, and the prefix of a node's share in each. */
function networksOf({ clusterCidr, clusterCidrIpv6, nodeCidrPrefix }: ControllersOptions) {
  const network = (text: string, prefix: number) => {
    const cluster = parseCidr(text);
    if (!cluster) throw new Error(`Parse cluster CIDR: ${JSON.stringify(text)}`);
    return { cluster, prefix };
  };
  const second = clusterCidrIpv6 ? [network(clusterCidrIpv6, NODE_PREFIX_IPV6)] : [];
  return [network(clusterCidr, nodeCidrPrefix), ...second];
}

/** The first share that nobody has; undefined when all are given away. */
export function freeShare({
  cluster,
  prefix,
  taken,
}: {
  cluster: Cidr;
  prefix: number;
  taken: readonly string[];
}): string | undefined {
  const used = new Set(taken);
  const count = Number(cidrSize(cluster) >> BigInt((cluster.family === 4 ? 32 : 128) - prefix));
  for (let index = 0; index < count; index++) {
    const share = formatCidr(subnet(cluster, prefix, index));
    if (!used.has(share)) return share;
  }
  return undefined;
}
