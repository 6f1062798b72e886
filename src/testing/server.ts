import { registry } from '../api/registry.ts';
import type { KubeObject } from '../api/types.ts';
import type { Admission, AdmissionPlugin } from '../apiserver/admission.ts';
import { createServiceAllocator } from '../apiserver/allocation/service.ts';
import { Catalog } from '../apiserver/catalog.ts';
import { inProcessTransport } from '../apiserver/in-process.ts';
import { createLimits } from '../apiserver/limits/limits.ts';
import { type ApiServer, createApiServer } from '../apiserver/server.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { parseCidr } from '../lib/ip.ts';
import { silentLogger } from '../lib/log.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';

export interface TestServer {
  server: ApiServer;
  store: Store;
  transport: ReturnType<typeof inProcessTransport>;
  /** One request; resolves with the status code and the parsed body. */
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestAnswer>;
}

export interface TestAnswer {
  status: number;
  headers: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every kind
  body: any;
}

export interface TestServerOptions {
  /** One of an earlier server, to go on with. */
  store?: Store;
  clock?: Clock;
  random?: () => number;
  /** Changes that watches may resume from. */
  historyLimit?: number;
  admissions?: readonly Admission[];
  plugins?: readonly AdmissionPlugin[];
}

/** Numbers in [0, 1) that are the same in every run (a linear congruential generator, Numerical Recipes' constants). */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The real API server over a store in memory, with the namespace `default`. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { store = createMemoryStore({ historyLimit: options.historyLimit }) } = options;
  const { clock = systemClock, random = createRandom(1) } = options;
  const allocator = createServiceAllocator({
    serviceCidr: parseCidr('10.96.0.0/16')!,
    nodePortRange: { from: 30000, to: 32767 },
    random,
    services: [],
  });
  const catalog = new Catalog(registry);
  const limits = createLimits({ store, catalog });
  const admissions = [allocator as Admission<KubeObject>, ...(options.admissions ?? []), ...limits];
  const server = createApiServer({
    store,
    catalog,
    clock,
    random,
    log: silentLogger,
    admissions,
    plugins: options.plugins ?? [],
  });
  const transport = inProcessTransport(server, { username: 'test', groups: ['system:masters'] });
  const request: TestServer['request'] = async (method, path, body, headers = {}) => {
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await transport({
      method,
      path,
      headers: { 'content-type': 'application/json', ...headers },
      body: text,
    });
    const chunks = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    const all = Buffer.concat(chunks).toString();
    return { status: answer.status, headers: answer.headers, body: all.startsWith('{') ? JSON.parse(all) : all };
  };
  await request('POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  return { server, store, transport, request };
}
