import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { type Clock, sleep, systemClock } from '../../lib/clock.ts';
import data from './messages.data.json' with { type: 'json' };
import type * as cri from './types.ts';

/** The container runtime, over CRI v1. Every call rejects with the runtime's own error. */
export interface Runtime {
  runPodSandbox(config: cri.PodSandboxConfig): Promise<string>;
  stopPodSandbox(id: string): Promise<void>;
  removePodSandbox(id: string): Promise<void>;
  podSandboxStatus(id: string): Promise<cri.PodSandboxStatus>;
  /** All sandboxes, or those whose labels match. */
  listPodSandboxes(labels?: Record<string, string>): Promise<cri.PodSandbox[]>;
  createContainer(request: cri.CreateContainerRequest): Promise<string>;
  startContainer(id: string): Promise<void>;
  /** TERM, then KILL after the grace period. */
  stopContainer(id: string, graceSeconds: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  listContainers(labels?: Record<string, string>): Promise<cri.Container[]>;
  containerStatus(id: string): Promise<cri.ContainerStatus>;
  execSync(request: { id: string; command: readonly string[]; timeoutSeconds: number }): Promise<cri.ExecSyncResponse>;
  /** Resolves with the address of a streaming endpoint. */
  exec(request: cri.StreamRequest & { cmd: readonly string[] }): Promise<string>;
  attach(request: cri.StreamRequest): Promise<string>;
  portForward(sandboxId: string, port: number): Promise<string>;
  /** After its log file was moved away. */
  reopenContainerLog(id: string): Promise<void>;
  imageStatus(image: string): Promise<cri.Image | undefined>;
  pullImage(image: string, auth?: cri.AuthConfig): Promise<string>;
  listImages(): Promise<cri.Image[]>;
  version(): Promise<{ name: string; version: string }>;
  /** Undefined when pods can have a network, else why not. */
  networkProblem(): Promise<string | undefined>;
  /** Tells of containers and sandboxes whose process has ended, once the runtime's own records say so. */
  watchExits(watcher: ExitWatcher, signal: AbortSignal): void;
  close(): void;
}

export interface ExitWatcher {
  onExit(id: string): void;
  /** Exits may have been missed: everything must be looked at. */
  onGap(): void;
}

type Message = Record<string, unknown>;

const PACKAGE = 'runtime.v1';
const CALL_TIMEOUT_MS = 120_000;
const PULL_TIMEOUT_MS = 1_800_000;

/** Connects to containerd's socket, or any other CRI v1 runtime's. */
export function connectRuntime(socket: string, clock: Clock = systemClock): Runtime {
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': 64 * 1024 * 1024,
    'grpc.initial_reconnect_backoff_ms': 20,
    'grpc.max_reconnect_backoff_ms': 1000,
  });
  const call = caller(client, clock);
  const byLabels = (labels?: Record<string, string>) => ({ filter: labels ? { label_selector: labels } : undefined });
  const containerStatus = async (id: string) =>
    (await call('ContainerStatus', { container_id: id }))['status'] as cri.ContainerStatus;
  const podSandboxStatus = async (id: string) =>
    (await call('PodSandboxStatus', { pod_sandbox_id: id }))['status'] as cri.PodSandboxStatus;
  return {
    runPodSandbox: async (config) => (await call('RunPodSandbox', { config }))['pod_sandbox_id'] as string,
    stopPodSandbox: async (id) => void (await call('StopPodSandbox', { pod_sandbox_id: id })),
    removePodSandbox: async (id) => void (await call('RemovePodSandbox', { pod_sandbox_id: id })),
    podSandboxStatus,
    listPodSandboxes: async (labels) => (await call('ListPodSandbox', byLabels(labels)))['items'] as cri.PodSandbox[],
    createContainer: async (request) => (await call('CreateContainer', { ...request }))['container_id'] as string,
    startContainer: async (id) => void (await call('StartContainer', { container_id: id })),
    stopContainer: async (id, timeout) =>
      void (await call('StopContainer', { container_id: id, timeout }, (timeout + 60) * 1000)),
    removeContainer: async (id) => void (await call('RemoveContainer', { container_id: id })),
    listContainers: async (labels) => (await call('ListContainers', byLabels(labels)))['containers'] as cri.Container[],
    containerStatus,
    execSync: async ({ id, command, timeoutSeconds }) => {
      const request = { container_id: id, cmd: command, timeout: timeoutSeconds };
      return (await call('ExecSync', request, execTimeoutMs(timeoutSeconds))) as unknown as cri.ExecSyncResponse;
    },
    exec: async (request) => (await call('Exec', { ...request }))['url'] as string,
    attach: async (request) => (await call('Attach', { ...request }))['url'] as string,
    reopenContainerLog: async (id) => void (await call('ReopenContainerLog', { container_id: id })),
    portForward: async (id, port) => (await call('PortForward', { pod_sandbox_id: id, port: [port] }))['url'] as string,
    imageStatus: async (image) => (await call('ImageStatus', { image: { image } }))['image'] as cri.Image | undefined,
    pullImage: async (image, auth) =>
      (await call('PullImage', { image: { image }, auth }, PULL_TIMEOUT_MS))['image_ref'] as string,
    listImages: async () => (await call('ListImages', {}))['images'] as cri.Image[],
    version: async () => {
      const answer = await call('Version', {});
      return { name: answer['runtime_name'] as string, version: answer['runtime_version'] as string };
    },
    networkProblem: async () => {
      const { conditions } = (await call('Status', {}))['status'] as cri.RuntimeStatus;
      const network = conditions.find(({ type }) => type === 'NetworkReady');
      return network?.status ? undefined : (network?.message ?? 'the runtime says nothing of its network');
    },
    watchExits: (watcher, signal) => watchExits({ client, containerStatus, podSandboxStatus, clock, watcher, signal }),
    close: () => client.close(),
  };
}

/** Without a limit of its own a command may take long. */
function execTimeoutMs(timeoutSeconds: number): number {
  return timeoutSeconds > 0 ? timeoutSeconds * 1000 + 10_000 : 3_600_000;
}

const services = data.services as unknown as Record<string, Record<string, [string, string]>>;

function caller(
  client: Client,
  clock: Clock,
): (method: string, request: Message, timeoutMs?: number) => Promise<Message> {
  return (method, request, timeoutMs = CALL_TIMEOUT_MS) => {
    const service = method in services['ImageService']! ? 'ImageService' : 'RuntimeService';
    const [input, output] = services[service]![method]!.map((name) => types.lookupType(name));
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        `/${PACKAGE}.${service}/${method}`,
        (message: Message) => Buffer.from(input!.encode(input!.fromObject(message)).finish()),
        (bytes) => output!.toObject(output!.decode(bytes), { longs: String, enums: String, defaults: true }) as Message,
        request,
        new Metadata(),
        { deadline: clock.now() + timeoutMs },
        (error: ServiceError | null, answer?: Message) => (error ? reject(new RuntimeError(error)) : resolve(answer!)),
      );
    });
  };
}

/** What the runtime answered instead of doing it. */
export class RuntimeError extends Error {
  override name = 'RuntimeError';
  /** gRPC status code: 5 NotFound, 14 Unavailable. */
  readonly code: number;

  constructor(error: ServiceError) {
    super(error.details || error.message);
    this.code = error.code;
  }
}

const types = buildTypes();

function buildTypes(): protobuf.Root {
  const root = new protobuf.Root();
  for (const [name, values] of Object.entries(data.enums)) root.add(new protobuf.Enum(name, values));
  for (const [name, fields] of Object.entries(data.messages))
    root.add(toType(name, fields as unknown as Record<string, [number, string]>));
  root.add(toType('SubscribeRequest', { filters: [1, 'repeated string'] }));
  root.add(toType('Any', { type_url: [1, 'string'], value: [2, 'bytes'] }));
  root.add(toType('Envelope', { namespace: [2, 'string'], topic: [3, 'string'], event: [4, 'Any'] }));
  root.add(toType('TaskExit', { container_id: [1, 'string'], id: [2, 'string'] }));
  return root;
}

function toType(name: string, fields: Record<string, [number, string]>): protobuf.Type {
  const type = new protobuf.Type(name);
  for (const [field, [id, kind]] of Object.entries(fields)) {
    const map = /^map<(\w+),\s*(\w+)>$/.exec(kind);
    if (map) type.add(new protobuf.MapField(field, id, map[1]!, map[2]!));
    else if (kind.startsWith('repeated ')) type.add(new protobuf.Field(field, id, kind.slice(9), 'repeated'));
    else type.add(new protobuf.Field(field, id, kind));
  }
  return type;
}

interface ExitWatch {
  readonly client: Client;
  readonly containerStatus: Runtime['containerStatus'];
  readonly podSandboxStatus: Runtime['podSandboxStatus'];
  readonly clock: Clock;
  readonly watcher: ExitWatcher;
  readonly signal: AbortSignal;
}

const RECONNECT_MS = 500;

/** containerd's own event stream: CRI of its 1.x line has none. */
function watchExits(watch: ExitWatch): void {
  const { client, clock, watcher, signal } = watch;
  const [input, output, exit] = ['SubscribeRequest', 'Envelope', 'TaskExit'].map((name) => types.lookupType(name));
  const stream = client.makeServerStreamRequest(
    '/containerd.services.events.v1.Events/Subscribe',
    (message: Message) => Buffer.from(input!.encode(input!.fromObject(message)).finish()),
    (bytes) => output!.toObject(output!.decode(bytes)) as Message,
    { filters: ['topic=="/tasks/exit",namespace==k8s.io'] },
  );
  stream.on('data', (envelope: { event?: { value: Uint8Array } }) => {
    if (!envelope.event) return;
    const ended = exit!.toObject(exit!.decode(envelope.event.value)) as { container_id: string; id: string };
    // Other ids are those of commands that were executed in the container.
    if (ended.id === ended.container_id) void whenRecorded(watch, ended.id).then(() => watcher.onExit(ended.id));
  });
  let over = false;
  const reconnect = () => {
    if (over || signal.aborted) return;
    over = true;
    clock.after(RECONNECT_MS, () => {
      if (signal.aborted) return;
      watchExits(watch);
      watcher.onGap();
    });
  };
  stream.on('error', reconnect).on('end', reconnect);
  signal.addEventListener('abort', () => stream.cancel(), { once: true });
}

const RECORD_TRIES = 12;
const FIRST_LOOK_MS = 2;

/** The event comes before CRI has taken note of it. */
async function whenRecorded(watch: ExitWatch, id: string): Promise<void> {
  try {
    for (let tries = 0; tries < RECORD_TRIES && !(await isRecorded(watch, id)); tries++) {
      await sleep(watch.clock, FIRST_LOOK_MS * 2 ** tries, watch.signal);
    }
  } catch {
    // Whoever looks next sees what is the matter with the runtime.
  }
}

async function isRecorded({ containerStatus, podSandboxStatus }: ExitWatch, id: string): Promise<boolean> {
  const container = await containerStatus(id).catch(ignoreNotFound);
  if (container) return container.state === 'CONTAINER_EXITED';
  const sandbox = await podSandboxStatus(id).catch(ignoreNotFound);
  return sandbox?.state !== 'SANDBOX_READY';
}

function ignoreNotFound(error: unknown): undefined {
  if (!(error instanceof RuntimeError && error.code === NOT_FOUND)) throw error;
}

const NOT_FOUND = 5;
