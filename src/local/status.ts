import { nodes as nodeKind } from '../api/kinds/node.ts';
import type { Node } from '../api/types.ts';
import { memoryBytes, netnsInode } from '../host/process.ts';
import type { Clock } from '../lib/clock.ts';
import { connect } from './connect.ts';
import { processesOf } from './down.ts';
import { type ClusterPlan, describeGateway, type ProcessPlan } from './plan.ts';
import { runningProcess } from './processes.ts';

/** A cluster as it is now. */
export interface ClusterStatus {
  readonly name: string;
  readonly server: string;
  readonly ready: boolean;
  readonly kubeconfig: string;
  /** Where Services answer on this machine. */
  readonly services: string;
  readonly nodes: readonly NodeStatus[];
  readonly processes: readonly ProcessStatus[];
  /** Proportional set size of all processes, those of containers included. */
  readonly memoryBytes: number;
}

export interface NodeStatus {
  readonly name: string;
  readonly address: string;
  readonly status: 'Ready' | 'NotReady' | 'Unknown';
  readonly podCidr: string;
  readonly version: string;
  readonly runtime: string;
}

export interface ProcessStatus {
  readonly name: string;
  /** Undefined when it does not run. */
  readonly pid?: number;
  readonly memoryBytes: number;
}

export async function clusterStatus(plan: ClusterPlan, clock: Clock): Promise<ClusterStatus> {
  const administrator = connect(plan, clock);
  const ready = await administrator.serverReady();
  const known = ready ? (await administrator.client.list(nodeKind)).items : [];
  const programs = [
    programStatus('server', plan.server),
    ...(plan.fakeNodes.count > 0 ? [programStatus(`${plan.fakeNodes.count} fake nodes`, plan.fakeNodes)] : []),
    ...plan.nodes.flatMap((node) => [
      programStatus(`${node.name} agent`, node.agent),
      programStatus(`${node.name} containerd`, node.containerd),
    ]),
  ];
  const processes = [...programs, containersStatus(plan, programs)];
  return {
    name: plan.name,
    server: `https://127.0.0.1:${plan.port}`,
    ready,
    kubeconfig: plan.kubeconfig,
    services: describeGateway(plan),
    nodes: plan.nodes.map((node) =>
      nodeStatus(
        node,
        known.find((one) => one.metadata.name === node.name),
      ),
    ),
    processes,
    memoryBytes: processes.reduce((sum, process) => sum + process.memoryBytes, 0),
  };
}

function nodeStatus({ name, ip }: { name: string; ip: string }, node: Node | undefined): NodeStatus {
  const condition = node?.status?.conditions?.find((one) => one.type === 'Ready');
  return {
    name,
    address: ip,
    status: condition ? (condition.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown',
    podCidr: node?.spec?.podCIDR ?? '',
    version: node?.status?.nodeInfo?.kubeletVersion ?? '',
    runtime: node?.status?.nodeInfo?.containerRuntimeVersion ?? '',
  };
}

function programStatus(name: string, plan: ProcessPlan): ProcessStatus {
  const identity = runningProcess(plan);
  return identity ? { name, pid: identity.pid, memoryBytes: memoryBytes(identity.pid) } : { name, memoryBytes: 0 };
}

/** Shims and the processes inside of containers, in one row. */
function containersStatus(plan: ClusterPlan, programs: readonly ProcessStatus[]): ProcessStatus {
  const own = new Set(programs.map((program) => program.pid));
  const rest = processesOf(plan).filter((pid) => !own.has(pid) && netnsInode(pid));
  return { name: `${rest.length} of containers`, memoryBytes: rest.reduce((sum, pid) => sum + memoryBytes(pid), 0) };
}

/** Tables for people. */
export function renderStatus(status: ClusterStatus): string {
  const nodes = status.nodes.map((node) => [
    node.name,
    node.status,
    node.address,
    node.podCidr || '-',
    node.version || '-',
    node.runtime || '-',
  ]);
  const processes = status.processes.map((process) => [
    process.name,
    process.pid === undefined ? '-' : String(process.pid),
    megabytes(process.memoryBytes),
  ]);
  return [
    `Cluster ${status.name}: ${status.ready ? 'ready' : 'the API server does not answer'} at ${status.server}`,
    `KUBECONFIG=${status.kubeconfig}`,
    `Services on this machine: ${status.services}`,
    '',
    ...renderTable(['NODE', 'STATUS', 'ADDRESS', 'POD-CIDR', 'VERSION', 'RUNTIME'], nodes),
    '',
    ...renderTable(['PROCESS', 'PID', 'MEMORY'], [...processes, ['all', '', megabytes(status.memoryBytes)]]),
    '',
  ].join('\n');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Rows below a header, columns as wide as they must be. */
export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((title, at) => Math.max(title.length, ...rows.map((row) => (row[at] ?? '').length)));
  return [header, ...rows].map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]! + 3))
      .join('')
      .trimEnd(),
  );
}
