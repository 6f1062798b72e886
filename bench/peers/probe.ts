import { connect, createServer } from 'node:net';

/** Runs inside the namespace of the proxy that is measured: is both the endpoints and their client. */
export type ProbeRequest =
  /** Listens at the endpoints, each of which answers a connection with its address. */
  | { readonly do: 'serve'; readonly ips: readonly string[]; readonly port: number }
  /** Connects until every address has answered with `text` (any answer when absent); answers the time when it had. */
  | { readonly do: 'await'; readonly ips: readonly string[]; readonly port: number; readonly text?: string }
  /** Connects so often, one after the other; answers how long each took. */
  | { readonly do: 'connect'; readonly ip: string; readonly port: number; readonly count: number };

export type ProbeAnswer = { readonly atMs: number } | { readonly tookMs: readonly number[] };

const LIMIT_MS = 120_000;
const ATTEMPT_MS = 500;

/** Milliseconds since the epoch, with fractions: the same for all processes of a machine. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

function serve(ip: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.on('error', () => {}).end(ip));
    server.on('error', reject).listen({ port, host: ip, backlog: 511 }, resolve);
  });
}

/** The text that came back; undefined when no connection was made in time. */
function ask(ip: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, ip);
    const timer = setTimeout(() => socket.destroy(), ATTEMPT_MS);
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text === '' ? undefined : text);
    });
  });
}

async function awaitText({ ips, port, text }: Extract<ProbeRequest, { do: 'await' }>): Promise<ProbeAnswer> {
  const deadline = wallMs() + LIMIT_MS;
  for (const ip of ips) {
    for (;;) {
      const answer = await ask(ip, port);
      if (answer !== undefined && (text === undefined || answer === text)) break;
      if (wallMs() > deadline) throw new Error(`${ip}:${port} did not answer in time`);
    }
  }
  return { atMs: wallMs() };
}

async function connectOften({ ip, port, count }: Extract<ProbeRequest, { do: 'connect' }>): Promise<ProbeAnswer> {
  const tookMs: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await new Promise<void>((resolve, reject) => {
      const socket = connect(port, ip, () => {
        tookMs.push(performance.now() - start);
        socket.resetAndDestroy();
        resolve();
      });
      socket.on('error', reject);
    });
  }
  return { tookMs };
}

async function handle(request: ProbeRequest): Promise<ProbeAnswer> {
  if (request.do === 'await') return awaitText(request);
  if (request.do === 'connect') return connectOften(request);
  await Promise.all(request.ips.map((ip) => serve(ip, request.port)));
  return { atMs: wallMs() };
}

if (process.send) {
  process.on('message', (request: ProbeRequest) => {
    void handle(request).then(
      (answer) => process.send?.(answer),
      (error: Error) => {
        console.error(error.message);
        process.exit(1);
      },
    );
  });
  process.on('disconnect', () => process.exit());
}
