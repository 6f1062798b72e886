import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { startAgent } from '../../src/agent/agent.ts';
import type { Runtime } from '../../src/agent/cri/runtime.ts';
import { events } from '../../src/api/kinds/event.ts';
import { nodes } from '../../src/api/kinds/node.ts';
import { pods } from '../../src/api/kinds/pod.ts';
import { registry } from '../../src/api/registry.ts';
import type { Pod } from '../../src/api/types.ts';
import { createAuth } from '../../src/apiserver/auth/extension.ts';
import { Catalog } from '../../src/apiserver/catalog.ts';
import { inProcessTransport } from '../../src/apiserver/in-process.ts';
import { createApiServer } from '../../src/apiserver/server.ts';
import type { Client } from '../../src/client/client.ts';
import { createEventRecorder } from '../../src/client/events.ts';
import type { Informer } from '../../src/client/informer.ts';
import { createInformers } from '../../src/client/informers.ts';
import { createClient } from '../../src/client/kube-client.ts';
import type { Route, Routes } from '../../src/host/routes.ts';
import { sleep, systemClock } from '../../src/lib/clock.ts';
import { createLogger } from '../../src/lib/log.ts';
import { planPki } from '../../src/pki/plan.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { IMAGE, NODE_IP, POD_CIDR, type TestContainerd } from './containerd-fixture.ts';

const NODE = 'node-1';
const WAIT_MS = 10_000;

/** A real API server in memory, and the agent of one node over a real containerd. */
export class AgentBench {
  readonly client: Client;
  readonly logLines: string[] = [];
  readonly routes: Route[] = [];
  readonly #containerd: TestContainerd;
  readonly #files = planPki({
    existing: new Map(),
    clock: systemClock,
    serverAddresses: [],
    nodes: [{ name: NODE, addresses: [NODE_IP] }],
  }).files;
  readonly #watchEnd = new AbortController();
  readonly #pods: Informer<Pod>;
  #agent: { abort: AbortController; runtime: Runtime } | undefined;

  constructor(containerd: TestContainerd) {
    this.#containerd = containerd;
    this.client = createClient(this.#transport());
    this.#pods = createInformers({ ...this.#common(), signal: this.#watchEnd.signal }).of(pods);
  }

  static async start(containerd: TestContainerd): Promise<AgentBench> {
    const bench = new AgentBench(containerd);
    await bench.apply('/api/v1/namespaces', { metadata: { name: 'default' } });
    await bench.apply('/api/v1/namespaces', { metadata: { name: 'kube-node-lease' } });
    await bench.apply('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    await bench.client.create(nodes, { metadata: { name: NODE }, spec: { podCIDR: POD_CIDR } });
    await bench.startAgent();
    return bench;
  }

  #transport() {
    const decoders = {};
    const find = (path: string) => server.locate(path)?.object;
    const base = { clock: systemClock, log: this.#log(), find, decoders, store: createMemoryStore() };
    const auth = createAuth({ ...base, clientCaPem: this.#text('ca.crt'), signingKeyPem: this.#text('sa.key') });
    const { subresources } = auth;
    const server = createApiServer({
      ...base,
      catalog: new Catalog(registry),
      random: Math.random,
      subresources,
    });
    return inProcessTransport(server, { username: 'admin', groups: ['system:masters'] });
  }

  #log() {
    return createLogger({ write: (line) => this.logLines.push(line), now: Date.now });
  }

  #common() {
    return { client: this.client, clock: systemClock, random: Math.random, log: this.#log() };
  }

  #text(path: string): string {
    return this.#files.get(path)!;
  }

  async startAgent(): Promise<void> {
    const abort = new AbortController();
    const runtime = this.#containerd.connect();
    this.#agent = { abort, runtime };
    const common = { ...this.#common(), signal: abort.signal };
    const routes: Routes = {
      replace: async (route) => void this.routes.push(route),
      delete: async () => {},
    };
    await startAgent({
      ...common,
      informers: createInformers(common),
      runtime,
      routes,
      recorder: createEventRecorder({ ...common, component: 'kubelet', host: NODE }),
      nodeName: NODE,
      nodeIp: NODE_IP,
      stateDir: join(this.#containerd.directory, 'agent'),
      cniConfDir: join(this.#containerd.directory, 'cni'),
      clusterDns: '10.96.0.10',
      clusterDomain: 'cluster.local',
      cgroupParent: this.#containerd.cgroupParent,
      tls: { ...this.#pair(`nodes/${NODE}/kubelet`), clientCa: this.#text('ca.crt') },
      osImage: 'test',
    });
  }

  #pair(name: string): { cert: string; key: string } {
    return { cert: this.#text(`${name}.crt`), key: this.#text(`${name}.key`) };
  }

  async stopAgent(): Promise<void> {
    this.#agent?.abort.abort();
    this.#agent?.runtime.close();
    this.#agent = undefined;
  }

  async stop(): Promise<void> {
    await this.stopAgent();
    this.#watchEnd.abort();
  }

  /** Creates an object by its collection's path. */
  async apply(path: string, object: object): Promise<void> {
    const row = registry.find((resource) => path.endsWith(`/${resource.plural}`))!;
    const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1];
    const { metadata } = object as { metadata: object };
    await this.client.create(row, { ...object, metadata: { ...metadata, ...(namespace ? { namespace } : {}) } });
  }

  /** Creates a pod of one busybox container on the node; resolves with it as created. */
  createPod(name: string, spec: Partial<NonNullable<Pod['spec']>>, container: object = {}): Promise<Pod> {
    const main = { name: 'main', image: IMAGE, ...container };
    const all = { nodeName: NODE, terminationGracePeriodSeconds: 1, containers: [main], ...spec };
    return this.client.create(pods, { metadata: { name, namespace: 'default' }, spec: all as Pod['spec'] });
  }

  /** Resolves with the pod as soon as it is as `test` wants it; undefined stands for a pod that is gone. */
  waitPod<T>(name: string, test: (pod: Pod | undefined) => T | false | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const give = setTimeout(() => {
        const status = JSON.stringify(this.#pods.get(name, 'default')?.status, null, 1);
        end(() => reject(new Error(`waited for pod ${name}: ${status}\n${this.logLines.slice(-30).join('\n')}`)));
      }, WAIT_MS);
      const look = (pod: Pod | undefined) => {
        const found = test(pod);
        if (found) end(() => resolve(found));
      };
      // Every state that the pod goes through is looked at, not only the latest.
      const stop = this.#pods.subscribe(({ type, object }) => {
        if (object.metadata.name === name) queueMicrotask(() => look(type === 'deleted' ? undefined : object));
      });
      const end = (then: () => void) => {
        clearTimeout(give);
        stop();
        then();
      };
      if (this.#pods.synced) queueMicrotask(() => look(this.#pods.get(name, 'default')));
    });
  }

  /** Resolves as soon as a pod has an event whose message matches. */
  async waitEvent(name: string, message: RegExp): Promise<void> {
    for (let tries = 0; tries < WAIT_MS / 20; tries++) {
      const { items } = await this.client.list(events, { namespace: 'default' });
      if (items.some((event) => event.involvedObject.name === name && message.test(event.message ?? ''))) return;
      await sleep(systemClock, 20);
    }
    throw new Error(`no event of pod ${name} that matches ${message}`);
  }

  running(name: string): Promise<Pod> {
    return this.waitPod(name, (pod) => pod?.status?.phase === 'Running' && isReady(pod) && pod);
  }

  gone(name: string): Promise<true> {
    return this.waitPod(name, (pod) => pod === undefined || undefined) as Promise<true>;
  }

  async deletePod(name: string, gracePeriodSeconds?: number): Promise<void> {
    await this.client.delete(pods, { name, namespace: 'default' }, { gracePeriodSeconds });
  }

  /** GET on the agent's own port, as the API server. */
  get(path: string, as = 'apiserver-kubelet-client'): Promise<{ status: number; text: string }> {
    const tls = { ca: this.#text('ca.crt'), ...this.#pair(as) };
    return new Promise((resolve, reject) => {
      const request = httpsRequest(`https://${NODE_IP}:10250${path}`, { ...tls, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode!, text }));
      });
      request.on('error', reject);
      request.end();
    });
  }

  async logs(name: string, query = ''): Promise<string> {
    const { text } = await this.get(`/containerLogs/default/${name}/main?${query}`);
    return text;
  }

  /** Resolves as soon as a pod's log is just this. */
  async waitLog(name: string, text: string): Promise<void> {
    for (let tries = 0; (await this.logs(name)) !== text; tries++) {
      if (tries > 100) throw new Error(`log of ${name}: ${await this.logs(name)}`);
      await sleep(systemClock, 20);
    }
  }

  /** Runs a command in a pod's container by WebSocket, with all of its input at once. */
  exec(name: string, command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const { stdin, tty } = options;
    const flags = { stdout: 'true', stderr: 'true', ...(stdin === undefined ? {} : { stdin: 'true' }) };
    const query = new URLSearchParams([
      ...command.map((word): [string, string] => ['command', word]),
      ...Object.entries({ ...flags, ...(tty ? { tty: 'true' } : {}) }),
    ]);
    return this.session(`/exec/default/${name}/main?${query}`, options);
  }

  /** A WebSocket session of exec or attach. */
  session(path: string, { stdin, resize, keepOpen }: ExecOptions = {}): Promise<ExecResult> {
    const tls = { ca: this.#text('ca.crt'), ...this.#pair('apiserver-kubelet-client') };
    const socket = new WebSocket(`wss://${NODE_IP}:10250${path}`, ['v5.channel.k8s.io'], tls);
    const channels: Buffer[][] = [[], [], [], []];
    const send = (channel: number, payload: string | Buffer) =>
      socket.send(Buffer.concat([Buffer.from([channel]), Buffer.from(payload as string)]));
    socket.on('open', () => {
      if (resize) send(4, JSON.stringify(resize));
      if (stdin === undefined) return;
      for (let at = 0; at < stdin.length; at += 32768) send(0, stdin.slice(at, at + 32768));
      if (!keepOpen) send(255, Buffer.from([0]));
    });
    socket.on('message', (data: Buffer) => channels[data[0]!]!.push(data.subarray(1)));
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', () => {
        const [, stdout, stderr, status] = channels.map((chunks) => Buffer.concat(chunks).toString());
        resolve({ stdout: stdout!, stderr: stderr!, status: status ? JSON.parse(status) : undefined });
      });
    });
  }
}

export interface ExecOptions {
  stdin?: string;
  tty?: boolean;
  /** Leaves the input open after it was sent. */
  keepOpen?: boolean;
  resize?: { Width: number; Height: number };
}

export interface ExecResult {
  stdout: string;
  stderr: string;
  // biome-ignore lint/suspicious/noExplicitAny: a metav1.Status
  status: any;
}

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}
