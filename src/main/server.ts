import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { followRoutes } from '../agent/pod-routes.ts';
import { ingressClasses } from '../api/kinds/ingressclass.ts';
import { priorityClasses } from '../api/kinds/priorityclass.ts';
import { services } from '../api/kinds/service.ts';
import { serviceAccounts as serviceAccountKind } from '../api/kinds/serviceaccount.ts';
import { registry } from '../api/registry.ts';
import type { Resource } from '../api/resource.ts';
import type { KubeObject, Pod, PriorityClass, Service, ServiceAccount } from '../api/types.ts';
import type { Admission } from '../apiserver/admission.ts';
import { createAdmissionPlugins } from '../apiserver/admission-plugins.ts';
import { createIngressClassAdmission } from '../apiserver/allocation/ingressclass.ts';
import { createPriorityAdmission } from '../apiserver/allocation/priority.ts';
import { createServiceAllocator } from '../apiserver/allocation/service.ts';
import { createServiceAccountAdmission } from '../apiserver/allocation/serviceaccount.ts';
import { createAuth } from '../apiserver/auth/extension.ts';
import { parseTokenFile } from '../apiserver/auth/token-file.ts';
import { bootstrapObjects } from '../apiserver/bootstrap.ts';
import { Catalog } from '../apiserver/catalog.ts';
import { createHealth } from '../apiserver/health.ts';
import { serveHttps } from '../apiserver/http.ts';
import { inProcessTransport } from '../apiserver/in-process.ts';
import { createLimits } from '../apiserver/limits/limits.ts';
import { keyOf, keyPrefix, objectOf } from '../apiserver/objects.ts';
import { createOpenApi } from '../apiserver/openapi/openapi.ts';
import { decodeProtobuf } from '../apiserver/protobuf/decode.ts';
import { type ApiServer, createApiServer } from '../apiserver/server.ts';
import { createStreaming } from '../apiserver/streaming/extension.ts';
import { createEventRecorder } from '../client/events.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/kube-client.ts';
import { startControllers } from '../controllers/start.ts';
import { type GatewayOptions, startGateway } from '../gateway/gateway.ts';
import { openNetnsSockets } from '../host/netns-sockets.ts';
import { realRoutes } from '../host/routes.ts';
import { volumeDirectories } from '../host/volume-directories.ts';
import { untilAborted } from '../lib/abort.ts';
import { type Cidr, cidrAddress, formatIp, parseCidr } from '../lib/ip.ts';
import { startLoadBalancer } from '../loadbalancer/controller.ts';
import { parsePool } from '../loadbalancer/pool.ts';
import { loadAuthority } from '../pki/authority.ts';
import { createRequestSigner } from '../pki/signing-request.ts';
import { startScheduler } from '../scheduler/scheduler.ts';
import { openLmdbStore } from '../store/lmdb.ts';
import type { Store } from '../store/store.ts';
import type { GatewayConfig, ProgramContext, ServerConfig } from './config.ts';
import { createFilters } from './filters.ts';

const NODE_PORTS = { from: 30_000, to: 32_767 };
const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** One API server with its controllers and scheduler. Resolves when the signal aborts and all writes are on disk. */
export async function runServer(config: ServerConfig, context: ProgramContext): Promise<void> {
  const store = await openLmdbStore({ directory: join(config.stateDir, 'store') });
  const progress: Progress = { policy: false, loops: false };
  const { server, auth, streaming, filters } = createServer(config, { ...context, progress }, store);
  await bootstrapObjects(server);
  progress.policy = true;
  const { certFile, keyFile, caFile } = config.pki;
  await serveHttps({
    server,
    tls: { cert: pem(certFile), key: pem(keyFile), ca: pem(caFile) },
    listen: config.listen,
    authenticate: auth.authenticate,
    onUpgrade: streaming.onUpgrade,
    log: context.log,
    signal: context.signal,
  });
  context.log.info('serving', { addresses: config.listen });
  await startLoops(config, context, server);
  progress.loops = true;
  await untilAborted(context.signal);
  streaming.close();
  await filters.close();
  await store.close();
}

/** How far the start has come. */
interface Progress {
  policy: boolean;
  loops: boolean;
}

function healthPath(store: Store, { progress, signal }: ProgramContext & { progress: Progress }) {
  return createHealth([
    { name: 'ping', healthy: () => true },
    { name: 'log', healthy: () => true },
    { name: 'etcd', healthy: () => !store.failed },
    { name: 'poststarthook/rbac/bootstrap-roles', healthy: () => progress.policy },
    { name: 'poststarthook/start-controllers', healthy: () => progress.loops },
    { name: 'shutdown', only: ['readyz'], healthy: () => !signal.aborted },
  ]);
}

function createServer(config: ServerConfig, context: ProgramContext & { progress: Progress }, store: Store) {
  const { clock, random, log } = context;
  const { pki } = config;
  const decoders = { [PROTOBUF]: (body: Buffer) => decodeProtobuf(body).object };
  // The parts that look objects up are made before the server that has them.
  const holder: { server?: ApiServer } = {};
  const find = (path: string) => holder.server?.locate(path)?.object;
  const auth = createAuth({
    clientCaPem: pem(pki.caFile),
    signingKeyPem: pem(pki.serviceAccountKeyFile),
    find,
    clock,
    decoders,
    store,
    ...(config.tokenAuthFile ? { staticTokens: parseTokenFile(readFileSync(config.tokenAuthFile, 'utf8')) } : {}),
  });
  const tls = { ca: pem(pki.caFile), cert: pem(pki.kubeletClientCertFile), key: pem(pki.kubeletClientKeyFile) };
  const streaming = createStreaming({ find, tls, clock, log });
  const catalog = new Catalog(registry);
  const filters = createFilters(config, { store, catalog, clock, log, decoders });
  const server = createApiServer({
    store,
    catalog,
    clock,
    random,
    log,
    decoders,
    admissions: [
      ...auth.admissions,
      ...([
        serviceAllocator(config, store, random),
        serviceAccounts(store, random),
        priorities(store),
        createIngressClassAdmission(() => listAll(store, ingressClasses)),
      ] as Admission<KubeObject>[]),
      ...createLimits({ store, catalog }),
    ],
    plugins: [...auth.plugins, ...createAdmissionPlugins({ store, catalog, clock, random, log })],
    filters: filters.filters,
    authorize: auth.authorize,
    subresources: [...auth.subresources, ...streaming.subresources],
    paths: [
      healthPath(store, context),
      filters.metrics.path,
      ...auth.paths,
      createOpenApi({ catalog, readPackageFile }),
    ],
  });
  holder.server = server;
  return { server, auth, streaming, filters };
}

function serviceAllocator(config: ServerConfig, store: Store, random: () => number): Admission<Service> {
  const stored = store.list(keyPrefix(services)).items.map((item) => objectOf(item) as Service);
  return createServiceAllocator({
    serviceCidr: cidr(config.serviceCidr),
    ...(config.serviceCidrIpv6 ? { secondaryCidr: cidr(config.serviceCidrIpv6) } : {}),
    nodePortRange: NODE_PORTS,
    random,
    services: stored,
  });
}

function serviceAccounts(store: Store, random: () => number): Admission<Pod> {
  const find = (key: { namespace: string; name: string }) => {
    const item = store.head(keyOf(serviceAccountKind, key));
    return item && (objectOf(item) as ServiceAccount);
  };
  return createServiceAccountAdmission({ random, find });
}

function listAll<T extends KubeObject>(store: Store, resource: Resource<T>): T[] {
  return store.list(keyPrefix(resource)).items.map((item) => objectOf(item) as T);
}

function priorities(store: Store): Admission<Pod> {
  const find = (name: string) => {
    const item = store.head(keyOf(priorityClasses, { name }));
    return item && (objectOf(item) as PriorityClass);
  };
  return createPriorityAdmission({ find, list: () => listAll(store, priorityClasses) });
}

const PACKAGES = new URL('../../node_modules/', import.meta.url);

function readPackageFile(path: string): string | undefined {
  const file = new URL(path, PACKAGES);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

async function startLoops(config: ServerConfig, context: ProgramContext, server: ApiServer): Promise<void> {
  const { clock, random, log, signal } = context;
  const user = { username: 'system:kube-controller-manager', groups: ['system:masters', 'system:authenticated'] };
  const client = createClient(inProcessTransport(server, user));
  const informers = createInformers({ client, clock, log, random, signal });
  const recorder = (component: string) => createEventRecorder({ client, clock, log, component });
  const shared = { client, informers, clock, random, log, signal };
  await startControllers({
    ...shared,
    recorder: recorder('controller-manager'),
    caPem: pem(config.pki.caFile),
    clusterCidr: config.clusterCidr,
    clusterCidrIpv6: config.clusterCidrIpv6,
    nodeCidrPrefix: config.nodeCidrPrefix,
    apiServer: { address: config.advertiseAddress, port: config.advertisePort },
    kubernetesIp: formatIp(cidrAddress(cidr(config.serviceCidr), 1)),
    dnsServiceIp: config.dnsServiceIp,
    ...(config.volumesDir ? { volumes: volumeDirectories(config.volumesDir) } : {}),
    certificates: createRequestSigner(
      loadAuthority({ certPem: pem(config.pki.caFile), keyPem: pem(config.pki.caKeyFile) }, clock),
    ),
  });
  followRoutes({ ...shared, routes: realRoutes });
  if (config.gateway) openGateway(config, config.gateway, shared);
  startLoadBalancer({ ...shared, recorder: recorder('service-controller'), pool: parsePool(config.loadBalancerPool) });
  startScheduler({ ...shared, recorder: recorder('default-scheduler') });
}

type Shared = Pick<GatewayOptions, 'informers' | 'clock' | 'random' | 'log' | 'signal'>;

/** Services at loopback addresses of the machine. */
function openGateway({ serviceCidr }: ServerConfig, gateway: GatewayConfig, shared: Shared): void {
  const networks = gateway.networks.map(({ cluster, loopback }) => ({
    cluster: cidr(cluster),
    loopback: cidr(loopback),
  }));
  const { nameServer, domain, netnsFd } = gateway;
  const sockets = openNetnsSockets(netnsFd);
  startGateway({ ...shared, plan: { networks }, sockets, routes: realRoutes, serviceCidr, nameServer, domain });
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(`Parse CIDR: expected address/prefix, actual ${JSON.stringify(text)}`);
  return parsed;
}

function pem(path: string): string {
  return readFileSync(path, 'utf8');
}
