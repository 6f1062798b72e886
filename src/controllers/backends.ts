import { selectsByMap } from '../api/selectors.ts';
import type { Pod, Service } from '../api/types.ts';
import { isPodReady } from './common.ts';

/** A pod behind a Service, as EndpointSlices and Endpoints describe it. */
export interface Backend {
  readonly pod: Pod;
  readonly ip: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

export interface BackendPort {
  readonly name: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
  readonly appProtocol?: string;
}

/** The pods that a Service selects and that have an address, by name. */
export function backendsOf(service: Service, pods: readonly Pod[]): Backend[] {
  const publishAll = service.spec?.publishNotReadyAddresses ?? false;
  const selected = pods.filter((pod) => selectsByMap(service.spec?.selector, pod.metadata.labels) && isCandidate(pod));
  const backends = selected.map((pod): Backend => {
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    const serving = isPodReady(pod) || publishAll;
    return { pod, ip: pod.status!.podIP!, ready: publishAll || (serving && !terminating), serving, terminating };
  });
  return backends.sort((a, b) => (a.pod.metadata.name < b.pod.metadata.name ? -1 : 1));
}

function isCandidate(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return Boolean(pod.status?.podIP) && phase !== 'Succeeded' && phase !== 'Failed';
}

/** The ports that a Service's ports lead to in one pod: a name may mean another number in each. */
export function portsIn(service: Service, pod: Pod): BackendPort[] {
  const headless = service.spec?.clusterIP === 'None';
  return (service.spec?.ports ?? []).flatMap((port) => {
    const protocol = (port.protocol ?? 'TCP') as BackendPort['protocol'];
    const target = headless && port.targetPort === undefined ? port.port : (port.targetPort ?? port.port);
    const number = typeof target === 'number' ? target : namedPort(pod, { name: target, protocol });
    if (number === undefined) return [];
    return [
      { name: port.name ?? '', protocol, port: number, ...(port.appProtocol ? { appProtocol: port.appProtocol } : {}) },
    ];
  });
}

function namedPort(pod: Pod, { name, protocol }: { name: string; protocol: string }): number | undefined {
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  const ports = [...(pod.spec?.containers ?? []), ...sidecars].flatMap((container) => container.ports ?? []);
  return ports.find((port) => port.name === name && (port.protocol ?? 'TCP') === protocol)?.containerPort;
}
