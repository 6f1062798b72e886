import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { answerMessages, quantile } from './lib.ts';

/** Load on an API server over raw TLS sockets: one request under way on each, and as little work as can be. */
interface Target {
  port: number;
  caPem: string;
  admin: { certPem: string; keyPem: string };
}

/** `create`, `get`, `update`, `patch` of ConfigMaps; `name-K-I` are those of connection K. */
type Kind = 'create' | 'get' | 'update' | 'patch' | 'list';

interface Work extends Target {
  kind: Kind;
  clients: number;
  durationMs: number;
  /** Told apart from those of other runs. */
  run: string;
}

const PATH = '/api/v1/namespaces/default/configmaps';
const DATA = { key: 'x'.repeat(200), other: 'y'.repeat(100) };

function open({ port, caPem, admin }: Target): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca: caPem, cert: admin.certPem, key: admin.keyPem }, () =>
      resolve(socket),
    );
    socket.setNoDelay(true);
    socket.on('error', reject);
  });
}

function requestText(kind: Kind, name: string, turn: number): string {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { ...DATA, turn: String(turn) } };
  const [method, path, type, body] =
    kind === 'create'
      ? ['POST', PATH, 'application/json', JSON.stringify(object)]
      : kind === 'update'
        ? ['PUT', `${PATH}/${name}`, 'application/json', JSON.stringify(object)]
        : kind === 'patch'
          ? ['PATCH', `${PATH}/${name}`, 'application/merge-patch+json', `{"data":{"turn":"${turn}"}}`]
          : ['GET', kind === 'list' ? '/api/v1/namespaces/default/pods' : `${PATH}/${name}`, '', ''];
  const head = `${method} ${path} HTTP/1.1\r\nhost: a\r\nuser-agent: bench\r\naccept: application/json\r\n`;
  return body === '' ? `${head}\r\n` : `${head}content-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

interface Tally {
  readonly samples: number[];
  failures: number;
}

/** Sends, awaits the whole answer, sends the next, until the time is over. */
async function drive(socket: TLSSocket, next: (turn: number) => string, tally: Tally, until: number): Promise<void> {
  for (let turn = 0; performance.now() < until; turn++) {
    const begun = performance.now();
    const status = await exchange(socket, next(turn));
    tally.samples.push(performance.now() - begun);
    if (status >= 300) tally.failures++;
  }
}

function exchange(socket: TLSSocket, request: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let missing = -1;
    let status = 0;
    let head = '';
    const onData = (chunk: Buffer) => {
      if (missing < 0) {
        head += chunk.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        status = Number(head.slice(9, 12));
        missing = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0) - (head.length - end - 4);
      } else missing -= chunk.length;
      if (missing > 0) return;
      socket.off('data', onData);
      resolve(status);
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error('connection closed')));
    socket.write(request);
  });
}

async function work(asked: Work) {
  const sockets = await Promise.all(Array.from({ length: asked.clients }, () => open(asked)));
  for (const socket of sockets) socket.setMaxListeners(0);
  const names = sockets.map((_, client) => `${asked.run}-${client}`);
  if (asked.kind !== 'create' && asked.kind !== 'list')
    await Promise.all(sockets.map((socket, at) => exchange(socket, requestText('create', names[at]!, 0))));
  const tally: Tally = { samples: [], failures: 0 };
  const begun = performance.now();
  const until = begun + asked.durationMs;
  const name = (client: number, turn: number) =>
    asked.kind === 'create' ? `${names[client]}-${turn}` : names[client]!;
  await Promise.all(
    sockets.map((socket, client) =>
      drive(socket, (turn) => requestText(asked.kind, name(client, turn), turn), tally, until),
    ),
  );
  const seconds = (performance.now() - begun) / 1000;
  for (const socket of sockets) socket.destroy();
  return {
    perSecond: tally.samples.length / seconds,
    p50: quantile(tally.samples, 0.5),
    p99: quantile(tally.samples, 0.99),
    failures: tally.failures,
  };
}

interface Watching extends Target {
  watchers: number;
  changesPerSecond: number;
  durationMs: number;
}

/** Times between the sending of a change and its event, over all watchers, in ms. */
async function watch(asked: Watching) {
  const samples: number[] = [];
  const sockets = await openAll(asked, asked.watchers);
  const path = `${PATH}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dwatched`;
  const changer = await open(asked);
  changer.setMaxListeners(0);
  await exchange(changer, requestText('create', 'watched', 0));
  const begun = sockets.map((socket) => once(socket, 'data'));
  for (const socket of sockets) {
    socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\nuser-agent: bench\r\naccept: application/json\r\n\r\n`);
    socket.on('data', (chunk: Buffer) => noteEvents(chunk, samples));
  }
  await Promise.all(begun);
  await new Promise((resolve) => setTimeout(resolve, 500));
  samples.length = 0;
  const changes = Math.round((asked.durationMs / 1000) * asked.changesPerSecond);
  const start = performance.now();
  for (let change = 0; change < changes; change++) {
    const due = start + (change * 1000) / asked.changesPerSecond;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    void exchange(changer, requestText('patch', 'watched', performance.now()));
  }
  const expected = changes * asked.watchers;
  for (let waits = 0; waits < 50 && samples.length < expected; waits++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  for (const socket of [...sockets, changer]) socket.destroy();
  return { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99), seen: samples.length, expected };
}

const MARK = Buffer.from('"turn":"');

function noteEvents(chunk: Buffer, samples: number[]): void {
  const now = performance.now();
  for (let at = chunk.indexOf(MARK); at >= 0; at = chunk.indexOf(MARK, at + 8)) {
    const sent = Number.parseFloat(chunk.toString('latin1', at + 8, at + 28));
    if (sent > 0) samples.push(now - sent);
  }
}

async function openAll(target: Target, count: number): Promise<TLSSocket[]> {
  const sockets: TLSSocket[] = [];
  while (sockets.length < count)
    sockets.push(
      ...(await Promise.all(Array.from({ length: Math.min(50, count - sockets.length) }, () => open(target)))),
    );
  return sockets;
}

type Message = ({ do: 'work' } & Work) | ({ do: 'watch' } & Watching);

answerMessages((message: Message) => (message.do === 'work' ? work(message) : watch(message)));
