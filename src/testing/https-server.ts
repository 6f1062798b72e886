import { registry } from '../api/registry.ts';
import type { KubeObject } from '../api/types.ts';
import type { Admission } from '../apiserver/admission.ts';
import { createServiceAllocator } from '../apiserver/allocation/service.ts';
import { createAuth } from '../apiserver/auth/extension.ts';
import { Catalog } from '../apiserver/catalog.ts';
import { serveHttps } from '../apiserver/http.ts';
import { inProcessTransport } from '../apiserver/in-process.ts';
import { createOpenApi } from '../apiserver/openapi/openapi.ts';
import { decodeProtobuf } from '../apiserver/protobuf/decode.ts';
import { type ApiServer, createApiServer } from '../apiserver/server.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { parseCidr } from '../lib/ip.ts';
import { silentLogger } from '../lib/log.ts';
import { createAuthority, createSigningKey, issueCertificate, type KeyPair } from '../pki/authority.ts';
import { renderKubeconfig } from '../pki/kubeconfig.ts';
import type { Store } from '../store/store.ts';
import { createRandom } from './server.ts';

export interface HttpsServerOptions {
  readonly store: Store;
  readonly clock?: Clock;
  /** Paths inside node_modules, for the texts of OpenAPI. */
  readonly readPackageFile?: (path: string) => string | undefined;
}

/** The real API server behind TLS on 127.0.0.1, with real authentication and no nodes. */
export interface HttpsServer {
  readonly port: number;
  readonly caPem: string;
  /** A client of the group `system:masters`. */
  readonly admin: KeyPair;
  readonly kubeconfig: string;
  readonly server: ApiServer;
  /** Ends all connections; the store stays open. */
  stop(): void;
}

/** Starts it on a free port, with the namespace `default`. */
export async function startHttpsServer(options: HttpsServerOptions): Promise<HttpsServer> {
  const { clock = systemClock } = options;
  const authority = createAuthority({ commonName: 'test', clock });
  const serving = issueCertificate(authority, { commonName: 'server', ipAddresses: ['127.0.0.1'], usage: 'server' });
  const admin = issueCertificate(authority, {
    commonName: 'admin',
    organizations: ['system:masters'],
    usage: 'client',
  });
  const { server, auth } = createServer(options, authority.certPem);
  const stop = new AbortController();
  const { ports } = await serveHttps({
    server,
    tls: { cert: serving.certPem, key: serving.keyPem, ca: authority.certPem },
    listen: [{ address: '127.0.0.1', port: 0 }],
    authenticate: auth.authenticate,
    log: silentLogger,
    signal: stop.signal,
  });
  const transport = inProcessTransport(server, { username: 'test', groups: ['system:masters'] });
  await transport({ method: 'POST', path: '/api/v1/namespaces', body: '{"metadata":{"name":"default"}}' });
  const address = `https://127.0.0.1:${ports[0]}`;
  const kubeconfig = renderKubeconfig({ name: 'test', server: address, caPem: authority.certPem, user: admin });
  return { port: ports[0]!, caPem: authority.certPem, admin, kubeconfig, server, stop: () => stop.abort() };
}

function createServer({ store, clock = systemClock, readPackageFile }: HttpsServerOptions, clientCaPem: string) {
  const decoders = { 'application/vnd.kubernetes.protobuf': (body: Buffer) => decodeProtobuf(body).object };
  const holder: { server?: ApiServer } = {};
  const find = (path: string) => holder.server?.locate(path)?.object;
  const auth = createAuth({ clientCaPem, signingKeyPem: createSigningKey().keyPem, find, clock, decoders, store });
  const catalog = new Catalog(registry);
  const random = createRandom(1);
  const allocator = createServiceAllocator({
    serviceCidr: parseCidr('10.96.0.0/16')!,
    nodePortRange: { from: 30_000, to: 32_767 },
    random,
    services: [],
  });
  const server = createApiServer({
    store,
    catalog,
    clock,
    random,
    log: silentLogger,
    decoders,
    admissions: [...auth.admissions, allocator as Admission<KubeObject>],
    plugins: auth.plugins,
    authorize: auth.authorize,
    subresources: auth.subresources,
    paths: [...auth.paths, ...(readPackageFile ? [createOpenApi({ catalog, readPackageFile })] : [])],
  });
  holder.server = server;
  return { server, auth };
}
