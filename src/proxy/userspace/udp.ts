import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { Endpoint } from '../../servicemap/service-port.ts';
import { Balancer, nameOf, type Targets } from './balancer.ts';
import type { Relay, RelayOptions } from './relay.ts';

/** A client that is silent for so long begins anew. */
const IDLE_MS = 30_000;
/** Datagrams kept while the socket to an endpoint opens. */
const PENDING_MAX = 32;

/** One client's exchange with one endpoint. */
interface Session {
  readonly endpoint: Endpoint;
  readonly socket: Socket;
  /** Sent when the socket is connected; undefined from then on. */
  pending: Buffer[] | undefined;
  /** Sent last and not answered yet: it goes to another endpoint if this one refuses it. */
  unanswered: Buffer | undefined;
  cancelIdle: () => void;
}

/** Takes datagrams, and gives those of one client to one endpoint while they keep coming. Rejects when the port is taken. */
export async function openUdpRelay(options: RelayOptions): Promise<Relay> {
  const relay = new UdpRelay(options);
  await relay.listen();
  return relay;
}

class UdpRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #balancer: Balancer;
  readonly #front: Socket;
  readonly #sessions = new Map<string, Session>();

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#balancer = new Balancer(options.targets, options.clock);
    this.#front = createSocket(options.ip.includes(':') ? 'udp6' : 'udp4');
  }

  listen(): Promise<void> {
    const { ip, port, log } = this.#options;
    const front = this.#front;
    return new Promise((resolve, reject) => {
      front.once('error', reject);
      front.bind({ address: ip, port }, () => {
        front.off('error', reject);
        front.on('error', (error) => log.warn('a datagram was lost', { ip, port, error }));
        front.on('message', (message, from) => this.#forward(message, from));
        resolve();
      });
    });
  }

  /** Exchanges with endpoints that are gone end: the next datagram begins a new one. */
  setTargets(targets: Targets): void {
    this.#balancer.setTargets(targets);
    const names = new Set(targets.endpoints.map(nameOf));
    for (const [client, session] of this.#sessions)
      if (!names.has(nameOf(session.endpoint))) this.#end(client, session);
  }

  close(): void {
    for (const [client, session] of this.#sessions) this.#end(client, session);
    this.#front.close();
  }

  #forward(message: Buffer, from: RemoteInfo): void {
    const client = `${from.address} ${from.port}`;
    const session = this.#sessions.get(client) ?? this.#begin(client, from, new Set());
    if (session) this.#send(client, session, message);
  }

  #send(client: string, session: Session, message: Buffer): void {
    session.unanswered = message;
    this.#stayAwake(client, session);
    if (!session.pending) session.socket.send(message);
    else if (session.pending.length < PENDING_MAX) session.pending.push(message);
  }

  #begin(client: string, from: RemoteInfo, failed: Set<Endpoint>): Session | undefined {
    const endpoint = this.#balancer.pick(from.address, failed);
    if (!endpoint || !this.#options.room.enter()) return undefined;
    const socket = createSocket(endpoint.ip.includes(':') ? 'udp6' : 'udp4');
    const session: Session = { endpoint, socket, pending: [], unanswered: undefined, cancelIdle: () => {} };
    this.#sessions.set(client, session);
    socket.on('error', () => this.#retry(client, from, { session, failed: failed.add(endpoint) }));
    socket.on('message', (message) => {
      session.unanswered = undefined;
      this.#stayAwake(client, session);
      this.#front.send(message, from.port, from.address);
    });
    socket.connect(endpoint.port, endpoint.ip, () => {
      const waiting = session.pending ?? [];
      session.pending = undefined;
      for (const message of waiting) socket.send(message);
    });
    return session;
  }

  /** The endpoint's machine said that nobody is there. */
  #retry(client: string, from: RemoteInfo, { session, failed }: { session: Session; failed: Set<Endpoint> }): void {
    if (this.#sessions.get(client) !== session) return;
    const message = session.unanswered;
    this.#end(client, session);
    const next = message && this.#begin(client, from, failed);
    if (next) this.#send(client, next, message);
  }

  #stayAwake(client: string, session: Session): void {
    session.cancelIdle();
    session.cancelIdle = this.#options.clock.after(IDLE_MS, () => this.#end(client, session));
  }

  #end(client: string, session: Session): void {
    if (this.#sessions.get(client) !== session) return;
    this.#sessions.delete(client);
    this.#options.room.leave();
    session.cancelIdle();
    session.socket.close();
  }
}
