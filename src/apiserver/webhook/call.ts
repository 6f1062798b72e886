import { Agent, request } from 'node:https';
import { isIP } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import type { Endpoint } from './endpoint.ts';

/** A POST of JSON to a webhook; resolves with the parsed body of a 200 answer, rejects with an Error otherwise. */
export type CallWebhook = (call: WebhookCall) => Promise<unknown>;

export interface WebhookCall {
  readonly endpoint: Endpoint;
  /** PEM of the authorities that may have signed the webhook's certificate; the system's when undefined. */
  readonly ca: string | undefined;
  readonly body: string;
  readonly timeoutMs: number;
}

const ANSWER_LIMIT_BYTES = 3 * 1024 * 1024;
const CONNECTIONS = 32;

export function createWebhookCaller({ clock }: { clock: Clock }): CallWebhook {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS, maxFreeSockets: 4, timeout: 60_000 });
  return (call) => post(agent, clock, call);
}

function post(agent: Agent, clock: Clock, { endpoint, ca, body, timeoutMs }: WebhookCall): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const outgoing = request({
    agent,
    method: 'POST',
    host: endpoint.host,
    port: endpoint.port,
    path: endpoint.path,
    ...(isIP(endpoint.serverName) ? {} : { servername: endpoint.serverName }),
    ...(ca ? { ca } : {}),
    headers: {
      host: endpoint.serverName,
      'content-type': 'application/json',
      accept: 'application/json',
      'content-length': Buffer.byteLength(body),
    },
  });
  const stop = clock.after(timeoutMs, () => outgoing.destroy(new Error('context deadline exceeded')));
  outgoing.on('error', reject);
  outgoing.on('response', (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > ANSWER_LIMIT_BYTES) outgoing.destroy(new Error('the answer is too large'));
    });
    response.on('error', reject);
    response.on('end', () => {
      try {
        resolve(readResponse(response.statusCode ?? 0, Buffer.concat(chunks).toString()));
      } catch (error) {
        reject(error as Error);
      }
    });
  });
  outgoing.end(body);
  return promise.finally(stop);
}

function readResponse(status: number, text: string): unknown {
  if (status === 200) return JSON.parse(text);
  // Whatever a server of another kind says, only its beginning.
  throw new Error(`the server responded with status ${status}: ${text.slice(0, 200).trim()}`);
}
