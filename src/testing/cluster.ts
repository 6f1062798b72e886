import { nodes } from '../api/kinds/node.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Node, Pod } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import { createEventRecorder } from '../client/events.ts';
import type { Informers } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/kube-client.ts';
import { startControllers } from '../controllers/start.ts';
import { type Clock, systemClock, timestamp } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { createAuthority } from '../pki/authority.ts';
import { createRequestSigner } from '../pki/signing-request.ts';
import { startScheduler } from '../scheduler/scheduler.ts';
import { createRandom, startTestServer, type TestServer } from './server.ts';

/** A cluster in one process: the real API server, all controllers and the scheduler; nodes and containers are only said to be there. */
export interface TestCluster extends TestServer {
  client: Client;
  informers: Informers;
  /** Volumes that would be directories of nodes. */
  directories: ReadonlySet<string>;
  addNode(name: string): Promise<Node>;
  /** Resolves as soon as `look` answers something; it is asked again after every change, and now and then. */
  eventually<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T>;
  stop(): void;
}

export interface TestClusterOptions {
  clock?: Clock;
  /** Pods that have a node are reported as running and ready, and as gone when they are deleted; the default. */
  runPods?: boolean;
  /** A server that other controllers were stopped over, as when a program is killed and started anew. */
  over?: TestServer;
}

/** Starts everything but nodes. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const { clock = systemClock, runPods = true } = options;
  const random = createRandom(7);
  const server = options.over ?? (await startTestServer({ clock, random }));
  const stop = new AbortController();
  const client = createClient(server.transport);
  const shared = { client, clock, random, log: silentLogger, signal: stop.signal };
  const informers = createInformers(shared);
  const recorder = createEventRecorder({ ...shared, component: 'test' });
  const directories = new Set<string>();
  await startControllers({
    ...shared,
    informers,
    recorder,
    caPem: 'the authority',
    clusterCidr: '10.244.0.0/16',
    nodeCidrPrefix: 24,
    apiServer: { address: '10.89.0.1', port: 6443 },
    kubernetesIp: '10.96.0.1',
    dnsServiceIp: '10.96.0.10',
    volumes: {
      root: '/volumes',
      create: async (path) => void directories.add(path),
      remove: async (path) => void directories.delete(path),
    },
    certificates: createRequestSigner(createAuthority({ commonName: 'kubernetes', clock })),
  });
  startScheduler({ ...shared, informers, recorder });
  if (runPods) playAgent({ client, informers, clock });
  return {
    ...server,
    client,
    informers,
    directories,
    addNode: (name) => addNode(client, name),
    eventually: (look) => eventually(server, look),
    stop: () => stop.abort(),
  };
}

async function addNode(client: Client, name: string): Promise<Node> {
  const octet = Number(name.replace(/\D/g, '')) + 10;
  await client.create(nodes, { metadata: { name, labels: { 'kubernetes.io/hostname': name } }, spec: {} });
  const status = {
    allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
    addresses: [{ type: 'InternalIP', address: `10.89.0.${octet}` }],
    conditions: [{ type: 'Ready', status: 'True' }],
  };
  return client.patch(nodes, { name }, { type: 'merge', body: { status }, subresource: 'status' });
}

/** Says of every bound pod what an agent would. */
function playAgent({ client, informers, clock }: { client: Client; informers: Informers; clock: Clock }): void {
  let next = 1;
  const ignore = () => {};
  informers.of(pods).subscribe(({ type, object }) => {
    const { name, namespace, deletionTimestamp } = object.metadata;
    if (type === 'deleted' || !object.spec?.nodeName) return;
    if (deletionTimestamp) client.delete(pods, { name, namespace }, { gracePeriodSeconds: 0 }).catch(ignore);
    else if (!object.status?.podIP) {
      const body = { status: runningStatus(object, { ip: `10.244.9.${next++}`, time: timestamp(clock.now()) }) };
      client.patch(pods, { name, namespace }, { type: 'merge', body, subresource: 'status' }).catch(ignore);
    }
  });
}

function runningStatus(pod: Pod, { ip, time }: { ip: string; time: string }): object {
  const conditions = ['Initialized', 'Ready', 'ContainersReady'].map((type) => ({
    type,
    status: 'True',
    lastTransitionTime: time,
  }));
  return {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    conditions: [...(pod.status?.conditions ?? []), ...conditions],
  };
}

const LOOKS = 10_000;
const LOOK_AGAIN_MS = 20;

async function eventually<T>({ store }: TestServer, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  let changed = Promise.withResolvers<void>();
  const stop = store.watch('/', 0, () => changed.resolve());
  try {
    for (let looks = 0; looks < LOOKS; looks++) {
      const found = await look();
      if (found !== undefined) return found;
      // Caches follow the store a little later, and nothing may change after that.
      const cancel = systemClock.after(LOOK_AGAIN_MS, () => changed.resolve());
      await changed.promise;
      cancel();
      changed = Promise.withResolvers();
    }
    throw new Error('looked too often');
  } finally {
    stop();
  }
}
