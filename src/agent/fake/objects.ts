import type { Node, Pod } from '../../api/types.ts';
import { timestamp } from '../../lib/clock.ts';
import { type Cidr, cidrAddress, formatCidr, formatIp, parseCidr, subnet } from '../../lib/ip.ts';

/** On nodes whose pods are only said to run. */
export const FAKE_LABEL = 'sampan.dev/fake';

/** Keeps pods that mean to run off such nodes. */
export const FAKE_TAINT = { key: FAKE_LABEL, value: 'true', effect: 'NoSchedule' } as const;

/** Apart from the pods of real nodes: these addresses lead nowhere. */
const POD_CIDR = parseCidr('10.128.0.0/9')!;
const NODE_CIDR = parseCidr('10.88.0.0/16')!;
const SHARE_PREFIX = 24;
const ZONES = ['a', 'b', 'c'];
export const FAKE_NODES_MAX = 20_000;

/** Name of the fake node with an index from 0 on. */
export function fakeNodeName(index: number): string {
  return `fake-${index + 1}`;
}

/** The index in a fake node's name; undefined for another node's. */
export function fakeNodeIndex(name: string): number | undefined {
  const digits = /^fake-([1-9]\d{0,6})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits) - 1;
}

/** Addresses of a fake node's pods. */
export function fakePodCidr(index: number): Cidr {
  return subnet(POD_CIDR, SHARE_PREFIX, index);
}

function fakeNodeIp(index: number): string {
  return formatIp(cidrAddress(NODE_CIDR, index + 1));
}

/** A ready node that nothing stands behind. */
export function fakeNode(index: number, now: number): Omit<Node, 'apiVersion' | 'kind'> {
  const name = fakeNodeName(index);
  const podCIDR = formatCidr(fakePodCidr(index));
  const capacity = { cpu: '32', memory: '256Gi', pods: '110', 'ephemeral-storage': '1Ti' };
  const labels = {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'topology.kubernetes.io/region': 'fake',
    'topology.kubernetes.io/zone': `fake-${ZONES[index % ZONES.length]}`,
    [FAKE_LABEL]: 'true',
  };
  return {
    metadata: { name, labels },
    spec: { podCIDR, podCIDRs: [podCIDR], taints: [FAKE_TAINT] },
    status: {
      capacity,
      allocatable: capacity,
      addresses: [
        { type: 'InternalIP', address: fakeNodeIp(index) },
        { type: 'Hostname', address: name },
      ],
      conditions: [fakeReady(now)],
      nodeInfo: {
        machineID: '',
        systemUUID: '',
        bootID: '',
        kernelVersion: '',
        osImage: 'none',
        containerRuntimeVersion: 'fake://1',
        kubeletVersion: 'v1.35.0',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
    },
  };
}

export function fakeReady(now: number) {
  const time = timestamp(now);
  const message = 'nothing runs on this node: its pods are only recorded';
  return {
    type: 'Ready',
    status: 'True',
    reason: 'FakeNode',
    message,
    lastHeartbeatTime: time,
    lastTransitionTime: time,
  };
}

type PodStatus = NonNullable<Pod['status']>;

/** What an agent would say of a pod as soon as all of it runs; without an address of its own it has its node's. */
export function runningStatus(pod: Pod, at: { ip: string | undefined; now: number }): PodStatus {
  const time = timestamp(at.now);
  const hostIP = fakeNodeIp(fakeNodeIndex(pod.spec!.nodeName!)!);
  const { uid } = pod.metadata;
  const base = (container: { name: string; image?: string }) => ({
    name: container.name,
    image: container.image ?? '',
    imageID: '',
    containerID: `fake://${uid}/${container.name}`,
    restartCount: 0,
    lastState: {},
  });
  const running = { ready: true, started: true, state: { running: { startedAt: time } } };
  const done = {
    ready: true,
    started: false,
    state: { terminated: { exitCode: 0, reason: 'Completed', startedAt: time, finishedAt: time } },
  };
  const inits = (pod.spec!.initContainers ?? []).map((one) => ({
    ...base(one),
    ...(one.restartPolicy === 'Always' ? running : done),
  }));
  return {
    phase: 'Running',
    hostIP,
    hostIPs: [{ ip: hostIP }],
    podIP: at.ip ?? hostIP,
    podIPs: [{ ip: at.ip ?? hostIP }],
    startTime: time,
    conditions: readyConditions(pod, time),
    ...(inits.length > 0 ? { initContainerStatuses: inits } : {}),
    containerStatuses: pod.spec!.containers.map((one) => ({ ...base(one), ...running })),
  };
}

function readyConditions(pod: Pod, time: string): NonNullable<PodStatus['conditions']> {
  const open = (pod.spec!.readinessGates ?? []).every(({ conditionType }) =>
    pod.status?.conditions?.some(({ type, status }) => type === conditionType && status === 'True'),
  );
  const types = ['PodReadyToStartContainers', 'Initialized', 'ContainersReady'];
  const fine = types.map((type) => ({ type, status: 'True', lastTransitionTime: time }));
  const gates = { reason: 'ReadinessGatesNotReady', message: 'the status of pod readiness gate is not "True"' };
  return [
    ...fine,
    { type: 'Ready', status: open ? 'True' : 'False', lastTransitionTime: time, ...(open ? {} : gates) },
  ];
}

/** A pod of a Job has done its work at once. */
export function finishedStatus(pod: Pod, now: number): PodStatus {
  const time = timestamp(now);
  const terminated = { exitCode: 0, reason: 'Completed', startedAt: time, finishedAt: time };
  const conditions = ['Ready', 'ContainersReady'].map((type) => ({
    type,
    status: 'False',
    reason: 'PodCompleted',
    lastTransitionTime: time,
  }));
  const containerStatuses = pod.spec!.containers.map(({ name, image }) => ({
    name,
    image: image ?? '',
    imageID: '',
    restartCount: 0,
    ready: false,
    started: false,
    state: { terminated },
  }));
  return { phase: 'Succeeded', conditions, containerStatuses };
}

/** The parts of a pod that these functions read: 100,000 whole ones would be a gigabyte. */
export function trimPod(pod: Pod): Pod {
  const { name, namespace, uid, resourceVersion, deletionTimestamp, ownerReferences } = pod.metadata;
  const { nodeName, hostNetwork, containers, initContainers, readinessGates } = pod.spec!;
  const job = ownerReferences?.filter(({ kind }) => kind === 'Job').slice(0, 1);
  const { phase, podIP, conditions } = pod.status ?? {};
  const brief = (all: NonNullable<typeof initContainers>) =>
    all.map((one) => ({ name: one.name, image: one.image, restartPolicy: one.restartPolicy }));
  const settled = podIP !== undefined && !job?.length && !readinessGates?.length;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      deletionTimestamp,
      ...(job?.length ? { ownerReferences: job } : {}),
    },
    spec: {
      nodeName,
      hostNetwork,
      containers: settled ? [] : brief(containers),
      ...(settled ? {} : { initContainers: initContainers && brief(initContainers), readinessGates }),
    },
    status: { phase, podIP, ...(settled ? {} : { conditions }) },
  };
}
