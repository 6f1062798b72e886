import { readFileSync } from 'node:fs';
import type { Client } from '../client/client.ts';
import { httpsTransport, parseKubeconfig } from '../client/https.ts';
import { createClient } from '../client/kube-client.ts';
import type { Transport } from '../client/transport.ts';
import type { ClusterPlan } from './plan.ts';

/** The cluster's administrator, over 127.0.0.1. */
export interface Administrator {
  readonly client: Client;
  /** True when the server answers that it is ready. */
  serverReady(): Promise<boolean>;
}

export function connect(plan: ClusterPlan): Administrator {
  const transport = httpsTransport(
    parseKubeconfig(readFileSync(plan.kubeconfig, 'utf8'), (path) => readFileSync(path, 'utf8')),
  );
  return { client: createClient(transport), serverReady: () => serverReady(transport) };
}

const ANSWER_TIMEOUT_MS = 2000;

async function serverReady(transport: Transport): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const { status, body } = await transport({ method: 'GET', path: '/readyz', signal });
    for await (const _ of body);
    return status === 200;
  } catch {
    return false;
  }
}
