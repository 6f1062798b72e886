import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket, Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import koffi from 'koffi';
import { endpointSlices } from '../../src/api/kinds/endpointslice.ts';
import { ingresses } from '../../src/api/kinds/ingress.ts';
import { ingressClasses } from '../../src/api/kinds/ingressclass.ts';
import { services } from '../../src/api/kinds/service.ts';
import type { Ingress, IngressClass, Service } from '../../src/api/types.ts';
import type { Client } from '../../src/client/client.ts';
import { createEventRecorder } from '../../src/client/events.ts';
import { createInformers } from '../../src/client/informers.ts';
import { createClient } from '../../src/client/kube-client.ts';
import { run } from '../../src/host/exec.ts';
import { ask } from '../../src/ingress/haproxy/socket.ts';
import { ingressClass } from '../../src/ingress/ingress.fixture.ts';
import type { Resolution } from '../../src/ingress/names.ts';
import { type IngressController, startIngress } from '../../src/ingress/start.ts';
import { fixedPublisher } from '../../src/ingress/status.ts';
import { sleep, systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { makeDefaultCertificate } from '../../src/main/default-certificate.ts';
import { createRandom, startTestServer, type TestServer } from '../../src/testing/server.ts';

export const ADDRESS = '10.89.0.11';
const BACKEND_PORT = 8080;
const CLONE_NEWNET = 0x40000000;

/** Why HAProxy can't be run here; undefined when it can. */
export function whyNoHaproxy(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  return existsSync('/usr/sbin/haproxy') ? undefined : 'needs /usr/sbin/haproxy: run "sampan setup"';
}

/** Moves this process into a network namespace of its own, with addresses of a node and of pods and no way out. */
export async function enterOwnNetwork(): Promise<void> {
  const unshare = koffi.load('libc.so.6').func('int unshare(int flags)');
  if ((unshare(CLONE_NEWNET) as number) !== 0) throw new Error('unshare of the network namespace failed');
  await run(['ip', 'link', 'set', 'lo', 'up']);
  await run(['ip', 'address', 'add', `${ADDRESS}/32`, 'dev', 'lo']);
  // Every address of the pod network is this machine's own.
  await run(['ip', 'route', 'add', 'local', '10.244.0.0/16', 'dev', 'lo']);
}

/** What a backend tells about the request that it got. */
export interface Echo {
  readonly service: string;
  readonly ip: string;
  readonly method: string;
  readonly path: string;
  readonly version: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly echo: Echo;
  /** Common name of the certificate, for HTTPS. */
  readonly certificate: string;
}

const PATIENCE_MS = 10_000;

/** An API server, an Ingress controller with its HAProxy, and backends, all in this process's network namespace. */
export class IngressWorld {
  readonly server: TestServer;
  readonly client: Client;
  readonly directory: string;
  /** Answers of DNS for ExternalName Services. */
  readonly names = new Map<string, Resolution>();
  readonly #backends: TcpServer[] = [];
  readonly #sockets = new Set<Socket>();
  #controller!: IngressController;
  #stop = new AbortController();

  constructor(server: TestServer, directory: string) {
    this.server = server;
    this.client = createClient(server.transport);
    this.directory = directory;
  }

  static async start(): Promise<IngressWorld> {
    const directory = await mkdtemp(join(tmpdir(), 'ingress-'));
    const world = new IngressWorld(await startTestServer({ clock: systemClock }), directory);
    await world.createClass('sampan');
    world.startController();
    return world;
  }

  startController(): void {
    const { client } = this;
    this.#stop = new AbortController();
    const shared = {
      client,
      clock: systemClock,
      random: createRandom(3),
      log: silentLogger,
      signal: this.#stop.signal,
    };
    this.#controller = startIngress({
      ...shared,
      informers: createInformers(shared),
      recorder: createEventRecorder({ ...shared, component: 'sampan-ingress' }),
      publisher: fixedPublisher([ADDRESS]),
      haproxy: {
        directory: join(this.directory, 'haproxy'),
        listen: [{ address: ADDRESS, httpPort: 80, httpsPort: 443 }],
        user: { name: 'haproxy', group: 'haproxy' },
        defaultCertificate: () => makeDefaultCertificate(systemClock),
      },
      resolve: async (name) => this.names.get(name) ?? Promise.reject(new Error('no such name')),
    });
  }

  /** Ends the controller as if it was killed: HAProxy goes on. */
  abandonController(): void {
    this.#stop.abort();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#controller.stop();
    for (const backend of this.#backends) backend.close();
    for (const socket of this.#sockets) socket.destroy();
    await rm(this.directory, { recursive: true, force: true });
  }

  createClass(name: string, spec?: IngressClass['spec']): Promise<IngressClass> {
    return this.client.create(ingressClasses, ingressClass(name, spec));
  }

  /** A Service with echoing backends at these addresses of the pod network. */
  async serve(
    name: string,
    ips: readonly string[],
    ports: NonNullable<Service['spec']>['ports'] = DEFAULT_PORTS,
  ): Promise<void> {
    const metadata = { name, namespace: 'default' };
    await Promise.all(ips.map((ip) => this.listen(echoServer(name, ip), ip)));
    await this.client.create(services, { metadata, spec: { ports } });
    await this.client.create(endpointSlices, {
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: ports.map((port) => ({ name: port.name ?? '', port: BACKEND_PORT })),
      endpoints: ips.map(toEndpoint),
    });
  }

  /** Changes which addresses a Service has. */
  async setEndpoints(name: string, ips: readonly string[]): Promise<void> {
    const body = { endpoints: ips.map(toEndpoint) };
    await this.client.patch(endpointSlices, { name, namespace: 'default' }, { type: 'merge', body });
  }

  async listen(server: TcpServer, ip: string): Promise<void> {
    this.#backends.push(server);
    server.on('connection', (socket: Socket) => this.#sockets.add(socket.on('error', () => {})));
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(BACKEND_PORT, ip, resolve));
  }

  apply(ingress: Ingress): Promise<Ingress> {
    return this.client.create(ingresses, ingress);
  }

  async patch(name: string, body: object): Promise<void> {
    await this.client.patch(ingresses, { name, namespace: 'default' }, { type: 'merge', body });
  }

  async remove(name: string): Promise<void> {
    await this.client.delete(ingresses, { name, namespace: 'default' });
  }

  /** The Ingress's addresses, once it has some. */
  addressesOf(name: string): Promise<string[]> {
    return this.eventually(async () => {
      const { status } = await this.client.get(ingresses, { name, namespace: 'default' });
      const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '');
      if (addresses.length === 0) throw new Error(`Ingress ${name} has no address`);
      return addresses;
    });
  }

  /** Which configuration HAProxy runs with: another one means that it was loaded anew. */
  async generation(): Promise<string> {
    return /^node: (.*)$/m.exec(await this.command('show info'))![1]!;
  }

  /** What HAProxy had to say. */
  log(): string {
    return readFileSync(join(this.directory, 'haproxy', 'haproxy.log'), 'utf8');
  }

  command(text: string): Promise<string> {
    const socket = join(this.directory, 'haproxy', 'admin.sock');
    return ask({ socket, text, clock: systemClock, timeoutMs: 5000 });
  }

  /** Process ids of HAProxy's master and workers. */
  async processes(): Promise<{ master: number; workers: number[] }> {
    const socket = join(this.directory, 'haproxy', 'master.sock');
    // The master does not listen while it executes itself anew.
    const answer = await this.eventually(() => ask({ socket, text: 'show proc', clock: systemClock, timeoutMs: 5000 }));
    const ids = (role: string) =>
      [...answer.matchAll(new RegExp(`^(\\d+)\\s+${role}\\b`, 'gm'))].map(([, id]) => Number(id));
    return { master: ids('master')[0]!, workers: ids('worker') };
  }

  /** One request on a connection of its own, to the node's address. */
  ask(url: string, { method = 'GET', headers = {}, body }: Asking = {}): Promise<Answer> {
    const { protocol, hostname, host, pathname, search } = new URL(url);
    const secure = protocol === 'https:';
    return new Promise((resolve, reject) => {
      const request = (secure ? httpsRequest : httpRequest)({
        host: ADDRESS,
        agent: false,
        method,
        path: `${pathname}${search}`,
        headers: { host, ...headers },
        ...(secure && { servername: hostname, rejectUnauthorized: false }),
      });
      request.setTimeout(PATIENCE_MS, () => request.destroy(new Error(`${url}: no answer`)));
      request.on('error', reject);
      request.on('response', (response) => void readAnswer(response).then(resolve, reject));
      request.end(body);
    });
  }

  /** The first answer that has this status and, when given, comes from this Service. */
  until(url: string, wanted: { status?: number; service?: string }): Promise<Answer> {
    const { status = 200, service } = wanted;
    return this.eventually(async () => {
      const answer = await this.ask(url);
      if (answer.status !== status || (service && answer.echo.service !== service))
        throw new Error(`${url}: ${answer.status} ${answer.text.slice(0, 200)}, expected ${status} ${service ?? ''}`);
      return answer;
    });
  }

  /** Tries again until it works; throws the last error when time is over. */
  async eventually<T>(attempt: () => Promise<T>): Promise<T> {
    const deadline = systemClock.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (systemClock.now() > deadline) throw error;
        await sleep(systemClock, 5);
      }
    }
  }
}

const DEFAULT_PORTS = [{ name: 'http', port: 8080, targetPort: 8080, protocol: 'TCP' as const }];

function toEndpoint(ip: string) {
  return { addresses: [ip], conditions: { ready: true } };
}

/** A backend that tells what it was asked, and by which protocol. */
export function echoServer(service: string, ip: string): Server {
  return createServer((request, response) => {
    request.resume().on('end', () => {
      const { method, url, httpVersion, headers } = request;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ service, ip, method, path: url, version: httpVersion, headers }));
    });
  }).on('upgrade', ({ headers }, socket: Socket) => {
    // RFC 6455, section 4.2.2.
    const accept = createHash('sha1')
      .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: websocket',
      `Sec-WebSocket-Accept: ${accept}`,
    ];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    socket.on('error', () => {}).pipe(socket);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const peer = (response.socket as Partial<TLSSocket>).getPeerCertificate?.();
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text,
    echo: text.startsWith('{') ? (JSON.parse(text) as Echo) : NO_ECHO,
    certificate: String(peer?.subject?.CN ?? ''),
  };
}

const NO_ECHO: Echo = { service: '', ip: '', method: '', path: '', version: '', headers: {} };
