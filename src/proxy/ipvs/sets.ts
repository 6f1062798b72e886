/** Sets that the rules look into: what they hold, and how the kernel keeps it. */
export const SETS = {
  /** Frontends with an endpoint. */
  'KUBE-IPVS-SERVED': 'hash:ip,port',
  /** Frontends whose packets are dropped. */
  'KUBE-IPVS-DROPPED': 'hash:ip,port',
  /** Frontends on the node's own addresses that are refused. */
  'KUBE-IPVS-REFUSED': 'hash:ip,port',
  /** Addresses of Services: all their other ports are refused. */
  'KUBE-IPVS-ADDRESS': 'hash:ip',
  /** Cluster IPs: clients from outside the cluster come as the node. */
  'KUBE-IPVS-CLUSTER': 'hash:ip,port',
  /** External addresses and node ports: clients come as the node. */
  'KUBE-IPVS-EXTERNAL': 'hash:ip,port',
  /** The same with externalTrafficPolicy Local: only clients from the cluster do. */
  'KUBE-IPVS-LOCAL': 'hash:ip,port',
  /** Frontend → the mark whose virtual server has the endpoints of this node only. */
  'KUBE-IPVS-KEPT': 'hash:ip,port skbinfo',
  /** externalTrafficPolicy Local without an endpoint here. */
  'KUBE-IPVS-KEPTNONE': 'hash:ip,port',
  /** Endpoint, its port, and itself as the client. */
  'KUBE-IPVS-LOOP': 'hash:ip,port,ip',
  /** Frontends that only some may use, and who. */
  'KUBE-IPVS-GUARDED': 'hash:ip,port',
  'KUBE-IPVS-SOURCES': 'hash:ip,port,net',
} as const;

export type SetName = keyof typeof SETS;

export const SET_NAMES = Object.keys(SETS) as SetName[];

/** An element in its set: `KUBE-IPVS-SERVED 10.96.0.1,tcp:80`. */
export type SetElement = `${SetName} ${string}`;

const ELEMENTS_MAX = 1_048_576;

/** Makes all sets that are not there, and puts just these elements into them: each set is exchanged at once. */
export function renderAllSets(elements: Iterable<SetElement>): string {
  const lines = SET_NAMES.flatMap((name) => [
    `create ${name} ${SETS[name]} maxelem ${ELEMENTS_MAX}`,
    `create ${name}-N ${SETS[name]} maxelem ${ELEMENTS_MAX}`,
    `flush ${name}-N`,
  ]);
  for (const element of elements) lines.push(`add ${element.replace(' ', '-N ')}`);
  for (const name of SET_NAMES) lines.push(`swap ${name} ${name}-N`, `destroy ${name}-N`);
  return `${lines.join('\n')}\n`;
}

export function renderSetChanges(remove: Iterable<SetElement>, add: Iterable<SetElement>): string {
  const removed = [...remove].map((element) => `del ${element.replace(/ skbmark .*$/, '')}\n`);
  return [...removed, ...[...add].map((element) => `add ${element}\n`)].join('');
}
