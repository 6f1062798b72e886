import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CLUSTER_ROOTS, type ClusterPlan, planCluster } from './plan.ts';

/** What a cluster was started with. */
export interface ClusterRecord {
  readonly name: string;
  readonly nodes: number;
  readonly port: number;
  readonly fakeNodes?: number;
  readonly proxyMode?: string | undefined;
  /** As `--service-cidr` and `--cluster-cidr` were given. */
  readonly serviceCidr?: string | undefined;
  readonly clusterCidr?: string | undefined;
  readonly nodePortAddresses?: string | undefined;
}

const DEFAULT_NODES = 3;
const DEFAULT_PORT = 6443;

/** The record of a cluster that is there, running or not. */
export function readRecord(name: string): ClusterRecord | undefined {
  const file = recordFile(name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ClusterRecord) : undefined;
}

function recordFile(name: string): string {
  return join(CLUSTER_ROOTS.state, name, 'cluster.json');
}

export function writeRecord(plan: ClusterPlan): void {
  mkdirSync(dirname(plan.record), { recursive: true, mode: 0o711 });
  const { name, port, fakeNodes, proxyMode, ipv6 } = plan;
  const serviceCidr = [plan.serviceCidr, ...(ipv6 ? [ipv6.serviceCidr] : [])].join();
  const clusterCidr = [plan.clusterCidr, ...(ipv6 ? [ipv6.clusterCidr] : [])].join();
  const networks = { serviceCidr, clusterCidr };
  const record: ClusterRecord = {
    name,
    nodes: plan.nodes.length,
    port,
    fakeNodes: fakeNodes.count,
    proxyMode,
    ...networks,
    nodePortAddresses: plan.nodePortAddresses,
  };
  writeFileSync(plan.record, `${JSON.stringify(record)}\n`);
}

/** Names of all clusters on this machine. */
export function listClusters(): string[] {
  if (!existsSync(CLUSTER_ROOTS.state)) return [];
  return readdirSync(CLUSTER_ROOTS.state).filter((name) => existsSync(recordFile(name)));
}

/** Plan of a cluster that is there; throws when there is none of that name. */
export function planOfExisting(name: string): ClusterPlan {
  const record = readRecord(name);
  if (!record) throw new Error(`there is no cluster named ${name}: start it with "sampan up --name ${name}"`);
  return planCluster(record);
}

export interface WantedCluster {
  readonly name: string;
  readonly nodes?: number;
  readonly port?: number;
  readonly fakeNodes?: number;
  readonly proxyMode?: string | undefined;
  readonly serviceCidr?: string | undefined;
  readonly clusterCidr?: string | undefined;
  readonly nodePortAddresses?: string | undefined;
}

/**
 * Plan of a cluster to be started: what is asked for, else what it was started with before, else the defaults. Throws when
 * a cluster would lose nodes or move to another port.
 */
export function planToStart(wanted: WantedCluster): ClusterPlan {
  const record = readRecord(wanted.name);
  if (record && wanted.port !== undefined && wanted.port !== record.port)
    throw new Error(`cluster ${wanted.name} has port ${record.port}: "sampan down" first, to choose another`);
  if (record && wanted.nodes !== undefined && wanted.nodes < record.nodes)
    throw new Error(`cluster ${wanted.name} has ${record.nodes} nodes: "sampan down" first, to have fewer`);
  for (const field of ['serviceCidr', 'clusterCidr'] as const)
    if (record && wanted[field] !== undefined && wanted[field] !== record[field])
      throw new Error(`cluster ${wanted.name} has networks already: "sampan down" first, to choose others`);
  return planCluster({
    serviceCidr: wanted.serviceCidr ?? record?.serviceCidr,
    clusterCidr: wanted.clusterCidr ?? record?.clusterCidr,
    nodePortAddresses: wanted.nodePortAddresses ?? record?.nodePortAddresses,
    name: wanted.name,
    nodes: wanted.nodes ?? record?.nodes ?? DEFAULT_NODES,
    port: wanted.port ?? record?.port ?? DEFAULT_PORT,
    fakeNodes: wanted.fakeNodes ?? record?.fakeNodes ?? 0,
    proxyMode: wanted.proxyMode ?? record?.proxyMode,
  });
}
