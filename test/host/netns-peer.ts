import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { type Conntrack, openConntrack, type UdpFlow } from '../../src/host/conntrack.ts';
import { type Nft, openNft } from '../../src/host/nft.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { Applier } from '../../src/proxy/apply.ts';
import { type BackendOptions, openBackend } from '../../src/proxy/backends.ts';
import type { Changes, ModeChoice, ModeName, ProxyBackend } from '../../src/proxy/mode.ts';
import { staleUdp } from '../../src/proxy/stale-udp.ts';
import type { Protocol } from '../../src/servicemap/endpoint.ts';
import type { ServicePort } from '../../src/servicemap/service-port.ts';

/** What a process inside a network namespace is asked to do. */
export type PeerRequest =
  | { readonly do: 'serve'; readonly protocol: 'TCP' | 'UDP'; readonly ip: string; readonly port: number }
  | {
      readonly do: 'ask';
      readonly protocol: Protocol;
      readonly ip: string;
      readonly port: number;
      /** Local port; any when absent. */
      readonly fromPort?: number;
      readonly timeoutMs: number;
    }
  /** Which mode of the proxy this process runs from now on. */
  | { readonly do: 'open'; readonly choice: ModeChoice; readonly options: Omit<BackendOptions, 'clock' | 'log'> }
  /** Its answer is the UDP flows that lead nowhere now (JSON). */
  | { readonly do: 'reset' | 'update'; readonly changes: readonly (readonly [string, readonly ServicePort[]])[] }
  /** From the mode that it runs to another, with what it was told last by `reset`. */
  | { readonly do: 'switch'; readonly mode: ModeName; readonly options: Omit<BackendOptions, 'clock' | 'log'> }
  /** As the proxy does it: whatever is refused is left out. Its answer is the names of those Services (JSON). */
  | { readonly do: 'apply'; readonly changes: readonly (readonly [string, readonly ServicePort[]])[] }
  | { readonly do: 'cleanup' }
  | { readonly do: 'forget'; readonly flows: readonly UdpFlow[] }
  /** Forgets what is stale for these Services. */
  | { readonly do: 'forgetStale'; readonly services: readonly ServicePort[]; readonly serviceCidr: string }
  | { readonly do: 'nft'; readonly commands: string }
  /** A connection that stays open, to a server that echoes what is said on it. */
  | { readonly do: 'echo' | 'dial'; readonly ip: string; readonly port: number }
  | { readonly do: 'say'; readonly text: string; readonly timeoutMs: number };

/** Answer of a server: `<its address> <the client's address>`; else what the client got instead. */
export type PeerAnswer =
  | { readonly text: string }
  | { readonly failed: 'reject' | 'drop' }
  | { readonly error: string };

function serve({ protocol, ip, port }: Extract<PeerRequest, { do: 'serve' }>): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const done = () => resolve({ text: 'listening' });
    if (protocol === 'TCP') {
      const server = createServer((socket) => socket.on('error', () => {}).end(`${ip} ${socket.remoteAddress}`));
      server.on('error', reject).listen(port, ip, done);
      return;
    }
    const socket = createSocket(udpOf(ip));
    socket.on('message', (_, from) => socket.send(`${ip} ${from.address}`, from.port, from.address));
    socket.on('error', reject).bind(port, ip, done);
  });
}

function udpOf(ip: string): 'udp4' | 'udp6' {
  return ip.includes(':') ? 'udp6' : 'udp4';
}

async function ask(request: Extract<PeerRequest, { do: 'ask' }>): Promise<PeerAnswer> {
  if (request.protocol === 'SCTP') return { error: 'no SCTP sockets' };
  return request.protocol === 'TCP' ? askTcp(request) : askUdp(request);
}

function askTcp({ ip, port, timeoutMs }: Extract<PeerRequest, { do: 'ask' }>): Promise<PeerAnswer> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, ip);
    const timer = setTimeout(() => socket.destroy(new Error('ETIMEDOUT')), timeoutMs);
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.on('error', (error) => resolve(failure(error)));
    socket.on('end', () => resolve({ text }));
    socket.on('close', () => clearTimeout(timer));
  });
}

function askUdp({ ip, port, fromPort = 0, timeoutMs }: Extract<PeerRequest, { do: 'ask' }>): Promise<PeerAnswer> {
  return new Promise((resolve) => {
    const socket = createSocket(udpOf(ip));
    const end = (answer: PeerAnswer) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => end({ failed: 'drop' }), timeoutMs);
    socket.once('error', (error) => end(failure(error)));
    socket.once('message', (message) => end({ text: message.toString() }));
    // Only a connected socket is told that its packet was refused.
    socket.bind(fromPort, () => socket.connect(port, ip, () => socket.send('?')));
  });
}

function failure(error: Error): PeerAnswer {
  if (/ECONNREFUSED|EHOSTUNREACH/.test(error.message)) return { failed: 'reject' };
  return error.message === 'ETIMEDOUT' ? { failed: 'drop' } : { error: error.message };
}

let backend: ProxyBackend | undefined;
let latest: Changes = new Map();

async function program({ do: how, changes }: Extract<PeerRequest, { do: 'reset' | 'update' }>): Promise<PeerAnswer> {
  if (how === 'reset') latest = new Map(changes);
  const plan = backend!.mode[how](new Map(changes));
  if (plan.commands !== '') await backend!.run(plan);
  plan.commit();
  return { text: JSON.stringify(plan.staleFlows) };
}

async function applyChanges({ changes }: Extract<PeerRequest, { do: 'apply' }>): Promise<PeerAnswer> {
  const { mode } = backend!;
  const log = silentLogger;
  const applier = new Applier({ mode, run: (plan) => backend!.run(plan), forget: async () => {}, log });
  await applier.replace(new Map(changes));
  return { text: JSON.stringify([...applier.refused]) };
}

/** In the order in which the proxy does it. */
async function switchMode({ mode, options }: Extract<PeerRequest, { do: 'switch' }>): Promise<PeerAnswer> {
  const old = backend!;
  backend = openBackend({ mode }, { ...options, clock: systemClock, log: silentLogger });
  const plan = backend.mode.reset(latest);
  await backend.run(plan);
  plan.commit();
  await old.cleanup(backend);
  old.close();
  return { text: backend.name };
}

let held: Socket | undefined;

function echo({ ip, port }: { ip: string; port: number }): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
    server.on('error', reject).listen(port, ip, () => resolve({ text: 'listening' }));
  });
}

function dial({ ip, port }: { ip: string; port: number }): Promise<PeerAnswer> {
  return new Promise((resolve) => {
    held = connect(port, ip, () => resolve({ text: 'open' }));
    held.setEncoding('utf8').on('error', (error) => resolve(failure(error)));
  });
}

/** Answers with what comes back on the connection that is open. */
function say({ text, timeoutMs }: Extract<PeerRequest, { do: 'say' }>): Promise<PeerAnswer> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ failed: 'drop' }), timeoutMs);
    held!.once('data', (chunk) => {
      clearTimeout(timer);
      resolve({ text: String(chunk) });
    });
    held!.write(text);
  });
}

let nft: Nft | undefined;

async function forget(forgetIn: (conntrack: Conntrack) => Promise<number>): Promise<PeerAnswer> {
  const conntrack = openConntrack();
  const count = await forgetIn(conntrack);
  conntrack.close();
  return { text: String(count) };
}

async function handle(request: PeerRequest): Promise<PeerAnswer> {
  switch (request.do) {
    case 'serve':
      return serve(request);
    case 'ask':
      return ask(request);
    case 'open':
      backend?.close();
      backend = openBackend(request.choice, { ...request.options, clock: systemClock, log: silentLogger });
      return { text: backend.name };
    case 'switch':
      return switchMode(request);
    case 'apply':
      return applyChanges(request);
    case 'reset':
    case 'update':
      return program(request);
    case 'cleanup':
      await backend!.cleanup();
      return { text: 'cleaned up' };
    case 'forget':
      return forget((conntrack) => conntrack.deleteUdpFlows(request.flows));
    case 'forgetStale': {
      const isStale = staleUdp(new Map([['all', request.services]]), [request.serviceCidr]);
      return forget((conntrack) => conntrack.deleteUdpFlowsWhere(isStale));
    }
    case 'nft':
      nft ??= openNft();
      await nft.run(request.commands);
      return { text: 'applied' };
    case 'echo':
      return echo(request);
    case 'dial':
      return dial(request);
    case 'say':
      return say(request);
  }
}

process.on('message', ({ id, request }: { id: number; request: PeerRequest }) => {
  const answer = handle(request).catch((error: Error): PeerAnswer => ({ error: error.message }));
  void answer.then((result) => process.send?.({ id, answer: result }));
});
process.on('disconnect', () => process.exit());
