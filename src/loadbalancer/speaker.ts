import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { nodes } from '../api/kinds/node.ts';
import { services } from '../api/kinds/service.ts';
import type { EndpointSlice, Service } from '../api/types.ts';
import type { Informers } from '../client/informer.ts';
import type { LinkAddresses } from '../host/link-addresses.ts';
import type { Clock } from '../lib/clock.ts';
import { parseIp } from '../lib/ip.ts';
import type { Logger } from '../lib/log.ts';
import { announcers } from './announcer.ts';
import { SILENCE_MS } from './heartbeat.ts';
import { Membership } from './membership.ts';
import { type Pool, poolContains } from './pool.ts';

export interface SpeakerOptions {
  informers: Informers;
  nodeName: string;
  pool: Pool;
  /** @default LOAD_BALANCER_CLASS */
  loadBalancerClass?: string;
  /** The link to the LAN. */
  link: LinkAddresses;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** The kernel drops an address this long after the last renewal: a speaker that died does not answer for ever. */
const LIFETIME_S = 4;
const RENEW_MS = 1000;
const REPEAT_ANNOUNCEMENT_MS = [0, 200, 1000];

/** Makes this node answer on the LAN for the load balancer addresses that are its share. */
export function startSpeaker(options: SpeakerOptions): Speaker {
  const speaker = new Speaker(options);
  for (const resource of [services, endpointSlices, nodes]) {
    options.informers.of(resource as typeof services).subscribe(() => speaker.changed());
  }
  return speaker;
}

export class Speaker {
  readonly #options: SpeakerOptions;
  readonly #membership: Membership;
  readonly #announced = new Set<string>();
  #scheduled = false;
  #adopted = false;
  #cancelRenewal = () => {};

  constructor(options: SpeakerOptions) {
    this.#options = options;
    const { clock, nodeName: self } = options;
    this.#membership = new Membership({ clock, self, silenceMs: SILENCE_MS, onChange: () => this.changed() });
    options.signal.addEventListener('abort', () => this.#stop(), { once: true });
    this.#renew();
  }

  /** A claim of the LAN is believed when it comes from the address that the API says is that node's. */
  heard({ node, from }: { node: string; from: string }): void {
    const known = this.#options.informers.of(nodes).get(node);
    const addresses = known?.status?.addresses ?? [];
    if (addresses.some(({ type, address }) => type === 'InternalIP' && address === from)) this.#membership.heard(node);
  }

  /** Many changes at once are looked at once. */
  changed(): void {
    if (this.#scheduled || this.#options.signal.aborted) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#sync();
    });
  }

  #sync(): void {
    const { informers, log } = this.#options;
    if (![services, endpointSlices, nodes].every((kind) => informers.of(kind as typeof services).synced)) return;
    if (!this.#adopted) this.#adopt();
    const wanted = this.#wanted();
    for (const ip of this.#announced) if (!wanted.has(ip)) this.#withdraw(ip);
    for (const ip of wanted) {
      if (this.#announced.has(ip)) continue;
      log.info('announcing a load balancer address', { ip });
      this.#announced.add(ip);
      this.#guarded('add', () => this.#options.link.set(ip, { lifetimeS: LIFETIME_S }));
      for (const delay of REPEAT_ANNOUNCEMENT_MS) this.#announceAfter(ip, delay);
    }
  }

  /** What an earlier process of this node left: withdrawn below unless it is still wanted. */
  #adopt(): void {
    this.#adopted = true;
    const { link, pool } = this.#options;
    for (const ip of link.list()) if (poolContains(pool, parseIp(ip)!)) this.#announced.add(ip);
  }

  #wanted(): Set<string> {
    const { informers, nodeName, loadBalancerClass } = this.#options;
    const all = announcers({
      loadBalancerClass,
      services: informers.of(services).list(),
      nodes: informers.of(nodes).list(),
      slicesOf: (service) => slicesOf(informers, service),
      isAlive: (node) => this.#membership.isAlive(node),
    });
    return new Set([...all].filter(([, node]) => node === nodeName).map(([ip]) => ip));
  }

  #withdraw(ip: string): void {
    this.#announced.delete(ip);
    this.#options.log.info('no longer announcing a load balancer address', { ip });
    this.#guarded('remove', () => this.#options.link.remove(ip));
  }

  #announceAfter(ip: string, delayMs: number): void {
    this.#options.clock.after(delayMs, () => {
      if (this.#announced.has(ip)) this.#guarded('announce', () => this.#options.link.announce(ip));
    });
  }

  #renew(): void {
    for (const ip of this.#announced)
      this.#guarded('renew', () => this.#options.link.set(ip, { lifetimeS: LIFETIME_S }));
    this.#cancelRenewal = this.#options.clock.after(RENEW_MS, () => this.#renew());
  }

  #guarded(action: string, change: () => void): void {
    try {
      change();
    } catch (error) {
      this.#options.log.warn('load balancer address', { action, error: (error as Error).message });
    }
  }

  #stop(): void {
    this.#cancelRenewal();
    this.#membership.close();
    for (const ip of this.#announced) this.#withdraw(ip);
  }
}

function slicesOf(informers: Informers, { metadata }: Service): EndpointSlice[] {
  const all = informers.of(endpointSlices).list(metadata.namespace);
  return all.filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === metadata.name);
}
