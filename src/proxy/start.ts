import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { nodes } from '../api/kinds/node.ts';
import { services } from '../api/kinds/service.ts';
import type { Informers } from '../client/informer.ts';
import type { Conntrack } from '../host/conntrack.ts';
import type { Nft } from '../host/nft.ts';
import { type Backoff, createBackoff } from '../lib/backoff.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { ServiceMap } from '../servicemap/service-map.ts';
import { Applier } from './apply.ts';
import type { ProxyAddresses } from './mode.ts';
import { Planner } from './nftables/plan.ts';

export interface ProxyOptions {
  informers: Informers;
  nft: Nft;
  /** Without it, UDP clients stay with endpoints that are gone until they are silent for a while. */
  conntrack?: Conntrack;
  nodeName: string;
  addresses: ProxyAddresses;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}

/** After so many retries in a row, the kernel may hold something else than what is thought. */
const RETRIES_TO_RENEW = 3;
const ZONE = 'topology.kubernetes.io/zone';

/** Keeps the node's rules as Services want them. Resolves after the first complete set; the rules outlive the process. */
export async function startProxy(options: ProxyOptions): Promise<void> {
  const { informers, signal, nodeName: name, random, nft, log } = options;
  const map = new ServiceMap({ name });
  const alarm = createAlarm();
  const unsubscribe = subscribeAll(informers, { map, name, wake: alarm.ring });
  signal.addEventListener('abort', () => [...unsubscribe, alarm.ring].forEach((end) => void end()), { once: true });
  const followed = [informers.of(services), informers.of(endpointSlices), informers.of(nodes)];
  await Promise.all(followed.map((informer) => informer.whenSynced()));
  const applier = new Applier({
    mode: new Planner(options.addresses),
    run: (commands) => nft.run(commands),
    forget: async (flows) => void (await options.conntrack?.deleteUdpFlows(flows)),
    log,
  });
  const backoff = createBackoff({ firstMs: 50, maxMs: 30_000, random });
  const parts = { options, map, applier, alarm, backoff };
  await replaceAll(parts);
  void follow(parts);
}

/** Takes away every rule of the proxy: traffic to Services ends. */
export async function cleanupProxy({ nft, addresses }: Pick<ProxyOptions, 'nft' | 'addresses'>): Promise<void> {
  await nft.run(new Planner(addresses).cleanup());
}

interface Parts {
  readonly options: ProxyOptions;
  readonly map: ServiceMap;
  readonly applier: Applier;
  readonly alarm: Alarm;
  readonly backoff: Backoff;
}

function subscribeAll(
  informers: Informers,
  { map, name, wake }: { map: ServiceMap; name: string; wake: () => void },
): (() => void)[] {
  return [
    informers.of(nodes).subscribe(({ type, object }) => {
      if (object.metadata.name !== name || type === 'deleted') return;
      map.setNode({ name, zone: object.metadata.labels?.[ZONE] });
      wake();
    }),
    informers.of(services).subscribe((change) => {
      if (change.type === 'deleted') map.deleteService(change.object);
      else map.setService(change.object);
      wake();
    }),
    informers.of(endpointSlices).subscribe((change) => {
      if (change.type === 'deleted') map.deleteSlice(change.object);
      else map.setSlice(change.object, change.type === 'updated' ? change.old : undefined);
      wake();
    }),
  ];
}

/** The first set. What an earlier process left stays in force until it is in. */
async function replaceAll({ options, map, applier, backoff }: Parts): Promise<void> {
  const { clock, signal, log } = options;
  while (!signal.aborted) {
    try {
      map.takeChanges();
      await applier.replace(map.snapshot());
      return backoff.reset();
    } catch (error) {
      log.error('no rules could be set', { error });
      await sleep(clock, backoff.next(), signal).catch(() => {});
    }
  }
}

async function follow({ options, map, applier, alarm, backoff }: Parts): Promise<void> {
  const { clock, signal, log } = options;
  let cancel: (() => void) | undefined;
  let retries = 0;
  let due = false;
  const onDue = () => {
    due = true;
    alarm.ring();
  };
  for (; !signal.aborted; await alarm.wait()) {
    await applier.update(map.takeChanges());
    if (due) {
      retries += 1;
      const renew = () =>
        applier.renew(map.snapshot()).catch((error: unknown) => log.error('rules were refused', { error }));
      await (retries % RETRIES_TO_RENEW === 0 ? renew() : applier.retry());
      cancel = undefined;
      due = false;
    }
    if (applier.refused > 0) cancel ??= clock.after(backoff.next(), onDue);
    else retries = 0;
    if (retries === 0) backoff.reset();
  }
  cancel?.();
}

interface Alarm {
  ring(): void;
  /** Resolves at the next ring, or at once when it rang since the last wait. */
  wait(): Promise<void>;
}

function createAlarm(): Alarm {
  let next = Promise.withResolvers<void>();
  return {
    ring: () => next.resolve(),
    async wait() {
      await next.promise;
      next = Promise.withResolvers();
    },
  };
}
