import { isDeepStrictEqual } from 'node:util';
import { routedPart } from '../api/programmed.ts';
import type { EndpointSlice, Service } from '../api/types.ts';
import { type NodeFacts, type ServicePort, servicePorts } from './service-port.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';

/** Services and their slices as they are now, and what changed since it was last asked. */
export class ServiceMap {
  #node: NodeFacts;
  readonly #services = new Map<string, Service>();
  /** Service key → slice name → slice. */
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #dirty = new Set<string>();

  constructor(node: NodeFacts) {
    this.#node = node;
  }

  /** Something waits to be taken. */
  get changed(): boolean {
    return this.#dirty.size > 0;
  }

  /** A Service whose rules would be the same is no change. */
  setService(service: Service): void {
    const key = keyOf(service);
    const old = this.#services.get(key);
    this.#services.set(key, service);
    if (!old || !isDeepStrictEqual(routedPart(old), routedPart(service))) this.#dirty.add(key);
  }

  deleteService(service: Service): void {
    this.#services.delete(keyOf(service));
    this.#dirty.add(keyOf(service));
  }

  setSlice(slice: EndpointSlice, old?: EndpointSlice): void {
    if (old && serviceKeyOf(old) !== serviceKeyOf(slice)) this.deleteSlice(old);
    const key = serviceKeyOf(slice);
    if (!key) return;
    const slices = this.#slices.get(key) ?? new Map<string, EndpointSlice>();
    this.#slices.set(key, slices.set(slice.metadata.name, slice));
    this.#dirty.add(key);
  }

  deleteSlice(slice: EndpointSlice): void {
    const key = serviceKeyOf(slice);
    if (!key) return;
    const slices = this.#slices.get(key);
    slices?.delete(slice.metadata.name);
    if (slices?.size === 0) this.#slices.delete(key);
    this.#dirty.add(key);
  }

  /** What is near may have changed: then every Service is looked at again. Answers whether it has. */
  setZone(zone: string | undefined): boolean {
    if (zone === this.#node.zone) return false;
    this.#node = { ...this.#node, zone };
    for (const key of this.#services.keys()) this.#dirty.add(key);
    return true;
  }

  /** Ports of the Services that changed since the last call, by Service key; no ports for one that is gone. */
  takeChanges(): Map<string, ServicePort[]> {
    const changes = new Map<string, ServicePort[]>();
    for (const key of this.#dirty) changes.set(key, this.#portsOf(key));
    this.#dirty.clear();
    return changes;
  }

  /** Ports of all Services as they are now, by Service key; changes stay to be taken. */
  snapshot(): Map<string, ServicePort[]> {
    return new Map([...this.#services.keys()].map((key) => [key, this.#portsOf(key)]));
  }

  #portsOf(key: string): ServicePort[] {
    const service = this.#services.get(key);
    return service ? servicePorts(service, [...(this.#slices.get(key)?.values() ?? [])], this.#node) : [];
  }
}

function keyOf(service: Service): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}

function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[SERVICE_NAME];
  return name && `${slice.metadata.namespace}/${name}`;
}
