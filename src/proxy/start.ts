import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { services } from '../api/kinds/service.ts';
import type { Informers } from '../client/informer.ts';
import type { Nft } from '../host/nft.ts';
import { createBackoff } from '../lib/backoff.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { ServiceMap } from '../servicemap/service-map.ts';
import type { ServicePort } from '../servicemap/service-port.ts';
import { Planner } from './nftables/plan.ts';
import type { ProxyAddresses } from './nftables/render.ts';

export interface ProxyOptions {
  informers: Informers;
  nft: Nft;
  nodeName: string;
  addresses: ProxyAddresses;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}

type Changes = Map<string, ServicePort[]>;

/** Keeps the node's rules as Services want them. Resolves after the first complete set; the rules outlive the process. */
export async function startProxy(options: ProxyOptions): Promise<void> {
  const { informers, signal } = options;
  const map = new ServiceMap({ name: options.nodeName });
  const planner = new Planner(options.addresses);
  let changed = Promise.withResolvers<void>();
  informers.of(services).subscribe((change) => {
    if (change.type === 'deleted') map.deleteService(change.object);
    else map.setService(change.object);
    changed.resolve();
  });
  informers.of(endpointSlices).subscribe((change) => {
    if (change.type === 'deleted') map.deleteSlice(change.object);
    else map.setSlice(change.object, change.type === 'updated' ? change.old : undefined);
    changed.resolve();
  });
  await Promise.all([informers.of(services).whenSynced(), informers.of(endpointSlices).whenSynced()]);
  await apply(options, planner, { changes: map.takeChanges(), reset: true });
  const follow = async () => {
    while (!signal.aborted) {
      await changed.promise;
      changed = Promise.withResolvers();
      await apply(options, planner, { changes: map.takeChanges(), reset: false });
    }
  };
  void follow();
  signal.addEventListener('abort', () => changed.resolve(), { once: true });
}

/** Tries until it went through; a Service whose rules are refused is named, and does not hold up the others. */
async function apply(
  options: ProxyOptions,
  planner: Planner,
  work: { changes: Changes; reset: boolean },
): Promise<void> {
  const { nft, log, clock, signal, random } = options;
  const backoff = createBackoff({ firstMs: 20, maxMs: 5000, random });
  while (!signal.aborted) {
    const plan = work.reset ? planner.reset(work.changes) : planner.update(work.changes);
    if (plan.commands === '') return plan.commit();
    try {
      await nft.run(plan.commands);
      return plan.commit();
    } catch (error) {
      log.error('rules were refused', { services: [...work.changes.keys()].slice(0, 10), error });
      if (!work.reset && work.changes.size > 1) return applyAlone(options, planner, work.changes);
      if (!work.reset) return;
      await sleep(clock, backoff.next(), signal).catch(() => {});
    }
  }
}

async function applyAlone(options: ProxyOptions, planner: Planner, changes: Changes): Promise<void> {
  for (const [key, ports] of changes) await apply(options, planner, { changes: new Map([[key, ports]]), reset: false });
}
