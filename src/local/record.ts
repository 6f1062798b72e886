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
  const { name, port, fakeNodes, proxyMode } = plan;
  const record: ClusterRecord = { name, nodes: plan.nodes.length, port, fakeNodes: fakeNodes.count, proxyMode };
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
  return planCluster({
    name: wanted.name,
    nodes: wanted.nodes ?? record?.nodes ?? DEFAULT_NODES,
    port: wanted.port ?? record?.port ?? DEFAULT_PORT,
    fakeNodes: wanted.fakeNodes ?? record?.fakeNodes ?? 0,
    proxyMode: wanted.proxyMode ?? record?.proxyMode,
  });
}
