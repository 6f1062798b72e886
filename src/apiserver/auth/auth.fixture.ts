import { registry } from '../../api/registry.ts';
import type { KubeObject } from '../../api/types.ts';
import { silentLogger } from '../../lib/log.ts';
import { type Authority, createAuthority, createSigningKey } from '../../pki/authority.ts';
import { createMemoryStore } from '../../store/memory.ts';
import type { Store } from '../../store/store.ts';
import { FakeClock } from '../../testing/clock.ts';
import { bootstrapObjects } from '../bootstrap.ts';
import { Catalog } from '../catalog.ts';
import { inProcessTransport } from '../in-process.ts';
import type { UserInfo } from '../request.ts';
import { type ApiServer, createApiServer } from '../server.ts';
import { type Auth, type AuthOptions, createAuth } from './extension.ts';

export const ADMIN: UserInfo = { username: 'admin', groups: ['system:masters', 'system:authenticated'] };
export const JANE: UserInfo = { username: 'jane', groups: ['system:authenticated'] };
export const NODE_1: UserInfo = { username: 'system:node:node-1', groups: ['system:nodes', 'system:authenticated'] };

export interface AuthServer {
  readonly auth: Auth;
  readonly authority: Authority;
  readonly clock: FakeClock;
  readonly server: ApiServer;
  readonly store: Store;
  request(user: UserInfo, method: string, path: string, body?: unknown, contentType?: string): Promise<Answer>;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every kind
  body: any;
}

/** The real API server with its users, its default roles and namespaces. */
export async function startAuthServer(options: Partial<AuthOptions> = {}): Promise<AuthServer> {
  const clock = new FakeClock();
  const store = createMemoryStore();
  const find = (path: string): KubeObject | undefined => server.locate(path)?.object;
  const authority = createAuthority({ commonName: 'kubernetes', clock });
  const keys = { clientCaPem: authority.certPem, signingKeyPem: createSigningKey().keyPem };
  const auth = createAuth({ ...keys, find, clock, store, ...options });
  const server = createApiServer({
    store,
    catalog: new Catalog(registry),
    clock,
    random: () => 0.5,
    log: silentLogger,
    authorize: auth.authorize,
    admissions: auth.admissions,
    plugins: auth.plugins,
    subresources: auth.subresources,
    paths: auth.paths,
  });
  await bootstrapObjects(server);
  const request: AuthServer['request'] = async (user, method, path, body, contentType = 'application/json') => {
    const exchange = { method, path, headers: { 'content-type': contentType }, body: body ? JSON.stringify(body) : '' };
    const answer = await inProcessTransport(server, user)(exchange);
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    return { status: answer.status, headers: answer.headers, body: text.startsWith('{') ? JSON.parse(text) : text };
  };
  return { auth, authority, clock, server, store, request };
}
