import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Endpoint } from '../../servicemap/service-port.ts';
import { Balancer, type Targets } from './balancer.ts';
import type { Relay, RelayOptions } from './relay.ts';

/** How long an endpoint has to answer, by the number of those that did not answer before. */
const ANSWER_MS = [250, 500, 1000, 2000];
const BACKLOG = 1024;

/** Takes connections, and gives each to an endpoint that answers. Rejects when the port is taken. */
export async function openTcpRelay(options: RelayOptions): Promise<Relay> {
  const { ip, port, log } = options;
  const balancer = new Balancer(options.targets, options.clock);
  // A client that has said all it wants still gets its answer.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    void serve(client, balancer, options);
  });
  await listening(server, { ip, port });
  server.on('error', (error) => log.error('connections are not taken', { ip, port, error }));
  return { setTargets: (targets: Targets) => balancer.setTargets(targets), close: () => void server.close() };
}

function listening(server: Server, { ip, port }: Pick<RelayOptions, 'ip' | 'port'>): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: ip, port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function serve(client: Socket, balancer: Balancer, options: RelayOptions): Promise<void> {
  const { room } = options;
  client.on('error', () => client.destroy());
  if (!room.enter()) return void client.resetAndDestroy();
  client.once('close', () => room.leave());
  const upstream = await connectSome(client, balancer, options);
  if (!upstream) return void client.resetAndDestroy();
  join(client, upstream);
}

/** A connection to the first endpoint that answers; undefined when none does, or the client is gone. */
async function connectSome(client: Socket, balancer: Balancer, { clock }: RelayOptions): Promise<Socket | undefined> {
  const failed = new Set<Endpoint>();
  for (const timeoutMs of ANSWER_MS) {
    const endpoint = balancer.pick(client.remoteAddress ?? '', failed);
    if (!endpoint || client.destroyed) return undefined;
    const upstream = connect({ host: endpoint.ip, port: endpoint.port, allowHalfOpen: true });
    const cancel = clock.after(timeoutMs, () => upstream.destroy());
    const connected = await hasConnected(upstream);
    cancel();
    if (connected && !client.destroyed) return upstream;
    upstream.destroy();
    failed.add(endpoint);
  }
  return undefined;
}

function hasConnected(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.on('error', () => socket.destroy());
    socket.once('close', () => resolve(false));
  });
}

/** Each side's end is passed on; a side that breaks breaks the other. */
function join(client: Socket, upstream: Socket): void {
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.setNoDelay(true);
    from.pipe(to);
    from.once('close', () => {
      if (from.errored || !from.readableEnded) to.resetAndDestroy();
    });
  }
}
