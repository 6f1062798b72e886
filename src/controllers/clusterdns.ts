import { isAlreadyExists } from '../api/errors.ts';
import { endpoints } from '../api/kinds/endpoints.ts';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { nodes } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import { startController } from '../client/reconcile.ts';
import type { ControllersOptions } from './options.ts';

const METADATA = { name: 'kube-dns', namespace: 'kube-system' };
const PORTS = [
  { name: 'dns', port: 53, protocol: 'UDP' as const },
  { name: 'dns-tcp', port: 53, protocol: 'TCP' as const },
];

/** Keeps the endpoints of `kube-dns`: the DNS server of each ready node. */
export function startClusterDns(options: ControllersOptions): void {
  const { informers } = options;
  const controller = startController({ ...options, name: 'clusterdns', reconcile: () => reconcile(options) });
  for (const resource of [nodes, endpointSlices, endpoints]) {
    informers.of(resource as typeof nodes).subscribe(({ object }) => {
      if (object.kind === 'Node' || object.metadata.name === METADATA.name) controller.enqueue(METADATA.name);
    });
  }
}

async function reconcile({ client, informers }: ControllersOptions): Promise<void> {
  await Promise.all([nodes, endpointSlices, endpoints].map((kind) => informers.of(kind as typeof nodes).whenSynced()));
  const servers = dnsServers(informers.of(nodes).list());
  const labels = {
    'kubernetes.io/service-name': METADATA.name,
    'endpointslice.kubernetes.io/managed-by': 'clusterdns.sampan.dev',
  };
  const slice = {
    metadata: { ...METADATA, labels },
    addressType: 'IPv4' as const,
    endpoints: servers.map(toEndpoint),
    ports: PORTS,
  };
  const addresses = servers.map(({ ip, node }) => ({ ip, nodeName: node }));
  const subsets = addresses.length > 0 ? [{ addresses, ports: PORTS }] : [];
  const oldSlice = informers.of(endpointSlices).get(METADATA.name, METADATA.namespace);
  const oldEndpoints = informers.of(endpoints).get(METADATA.name, METADATA.namespace);
  const metadata = { ...METADATA, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } };
  if (!oldSlice) await client.create(endpointSlices, slice).catch(ignoreExists);
  else if (JSON.stringify(oldSlice.endpoints) !== JSON.stringify(slice.endpoints)) {
    await client.patch(endpointSlices, METADATA, { type: 'merge', body: { endpoints: slice.endpoints } });
  }
  if (!oldEndpoints) await client.create(endpoints, { metadata, subsets }).catch(ignoreExists);
  else if (JSON.stringify(oldEndpoints.subsets ?? []) !== JSON.stringify(subsets)) {
    await client.patch(endpoints, METADATA, { type: 'merge', body: { subsets } });
  }
}

/** A node's DNS server answers only its own pods, so it is listed even while the node is not ready. */
export function dnsServers(all: readonly Node[]): { ip: string; node: string }[] {
  const servers = all.map((node) => ({
    node: node.metadata.name,
    ip: node.status?.addresses?.find((address) => address.type === 'InternalIP')?.address ?? '',
  }));
  return servers.filter(({ ip }) => ip !== '').sort((a, b) => (a.node < b.node ? -1 : 1));
}

function toEndpoint({ ip, node }: { ip: string; node: string }) {
  return { addresses: [ip], conditions: { ready: true, serving: true, terminating: false }, nodeName: node };
}

function ignoreExists(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}
