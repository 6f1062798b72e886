import { readFileSync } from 'node:fs';
import type { Client } from '../client/client.ts';
import { httpsTransport, parseKubeconfig } from '../client/https.ts';
import { createClient } from '../client/kube-client.ts';
import type { Transport } from '../client/transport.ts';
import type { Clock } from '../lib/clock.ts';
import type { ClusterPlan } from './plan.ts';

/** The cluster's administrator, over 127.0.0.1. */
export interface Administrator {
  readonly client: Client;
  /** True when the server answers that it is ready. */
  serverReady(): Promise<boolean>;
}

export function connect(plan: ClusterPlan, clock: Clock): Administrator {
  const transport = httpsTransport(
    parseKubeconfig(readFileSync(plan.kubeconfig, 'utf8'), (path) => readFileSync(path, 'utf8')),
  );
  return { client: createClient(transport), serverReady: () => serverReady(transport, clock) };
}

const ANSWER_TIMEOUT_MS = 2000;

async function serverReady(transport: Transport, clock: Clock): Promise<boolean> {
  const timeout = new AbortController();
  const cancel = clock.after(ANSWER_TIMEOUT_MS, () => timeout.abort());
  try {
    const { status, body } = await transport({ method: 'GET', path: '/readyz', signal: timeout.signal });
    for await (const _ of body);
    return status === 200;
  } catch {
    return false;
  } finally {
    cancel();
  }
}
