import { selectsByMap } from '../api/selectors.ts';
import type { Pod, Service } from '../api/types.ts';
import { formatIp, parseIp } from '../lib/ip.ts';
import { isPodFinished, isPodReady } from './common.ts';

export type Family = 'IPv4' | 'IPv6';

/** A pod behind a Service, as EndpointSlices and Endpoints describe it. */
export interface Backend {
  readonly pod: Pod;
  /** All its addresses, in the families that it has. */
  readonly ips: readonly string[];
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
  const selected = pods.filter(
    (pod) => selectsByMap(service.spec?.selector, pod.metadata.labels) && !isPodFinished(pod),
  );
  const backends = selected.map((pod): Backend => {
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    const serving = isPodReady(pod);
    return { pod, ips: addressesOf(pod), ready: publishAll || (serving && !terminating), serving, terminating };
  });
  return backends
    .filter(({ ips }) => ips.length > 0)
    .sort((a, b) => (a.pod.metadata.name < b.pod.metadata.name ? -1 : 1));
}

function addressesOf({ status }: Pod): string[] {
  const all = (status?.podIPs ?? []).map(({ ip }) => ip ?? '').filter((ip) => ip !== '');
  return all.length > 0 || !status?.podIP ? all : [status.podIP];
}

/** The address of a family, in canonical text; undefined without one. */
export function addressIn({ ips }: Pick<Backend, 'ips'>, family: Family): string | undefined {
  const parsed = ips.map(parseIp).filter((ip) => ip !== undefined);
  const found = parsed.find((ip) => ip.family === (family === 'IPv6' ? 6 : 4));
  return found && formatIp(found);
}

/** The families of a Service, its own one first. */
export function familiesOf({ spec }: Service): readonly Family[] {
  return (spec?.ipFamilies as Family[] | undefined) ?? [spec?.clusterIP?.includes(':') ? 'IPv6' : 'IPv4'];
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
