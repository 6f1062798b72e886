import { isNotFound } from '../api/errors.ts';
import { leases } from '../api/kinds/lease.ts';
import { NODE_LEASES, type ProxyReport, reportAnnotation } from '../api/programmed.ts';
import type { Client } from '../client/client.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { ProxyObserver } from './observe.ts';

export interface ReporterOptions {
  client: Client;
  nodeName: string;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** Reports that may follow each other at once; further ones come at most one in {@link INTERVAL_MS}. */
const BURST = 10;
const INTERVAL_MS = 100;
const RETRY_MS = 1000;

/**
 * Tells in the node's Lease how far its rules have come: one small write for any number of Services, and a bounded number
 * of them a second however much changes.
 */
export function createReporter(options: ReporterOptions): ProxyObserver {
  const { signal, clock, log } = options;
  let newest: ProxyReport | undefined;
  let running = false;
  let credit = BURST;
  let creditedAt = clock.now();

  const pace = async () => {
    credit = Math.min(BURST, credit + (clock.now() - creditedAt) / INTERVAL_MS);
    creditedAt = clock.now();
    credit -= 1;
    if (credit < 0) await sleep(clock, -credit * INTERVAL_MS, signal);
  };
  const run = async () => {
    for (let sent: ProxyReport | undefined; newest !== sent && !signal.aborted; ) {
      try {
        await pace();
        const next = newest!;
        await write(options, next);
        sent = next;
      } catch (error) {
        if (signal.aborted) return;
        log.warn('rules were not reported', { error });
        await sleep(clock, RETRY_MS, signal).catch(() => {});
      }
    }
  };
  return {
    synced({ report }) {
      newest = report;
      if (running) return;
      running = true;
      void run().finally(() => {
        running = false;
      });
    },
  };
}

async function write({ client, nodeName }: ReporterOptions, report: ProxyReport): Promise<void> {
  const key = { name: nodeName, namespace: NODE_LEASES };
  const annotations = reportAnnotation(report);
  try {
    await client.patch(leases, key, { type: 'merge', body: { metadata: { annotations } } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await client.create(leases, { metadata: { ...key, annotations }, spec: { holderIdentity: nodeName } });
  }
}
