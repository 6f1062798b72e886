import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endpointSlices } from '../src/api/kinds/endpointslice.ts';
import { ingresses } from '../src/api/kinds/ingress.ts';
import { services } from '../src/api/kinds/service.ts';
import { ingress } from '../src/ingress/ingress.fixture.ts';
import { ADDRESS, enterOwnNetwork, IngressWorld } from '../test/host/ingress-fixture.ts';
import { quantile } from './lib.ts';
import { type Figure, printReport } from './report.ts';

/**
 * The same work for the Ingress controller, for nginx and for HAProxy with configurations written by hand: N hosts before four
 * backends. Everything is in a network namespace of this process; load is bounded in connections and time.
 */
const SIZES = [10, 1_000];
const BACKENDS = ['10.244.0.1', '10.244.0.2', '10.244.0.3', '10.244.0.4'];
const BACKEND_PORT = 8080;
const CONNECTIONS = 32;
const SECONDS = 4;
const CHANGES = 20;
const PAUSE_MS = 200;
const LIMIT_MS = 20_000;

const directory = mkdtempSync(join(tmpdir(), 'bench-ingress-'));

function host(at: number): string {
  return `host-${at}.example`;
}

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** A proxy under measurement. */
interface Contender {
  readonly name: string;
  start(size: number): Promise<void>;
  /** Its process, whose children do the work. */
  master(): Promise<number>;
  /** Begins to route a host that was not there. */
  addHost(name: string): Promise<void>;
  stop(): Promise<void>;
}

/** Status of `GET /` for a host, on a connection of its own; 0 when there is none. */
function ask(name: string): Promise<number> {
  return new Promise((resolve) => {
    const sent = request({ host: ADDRESS, agent: false, headers: { host: name }, timeout: 2000 }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(0));
    sent.end();
  });
}

async function untilServed(name: string, who = ''): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while ((await ask(name)) !== 200) {
    if (performance.now() > deadline) throw new Error(`${name} was not served in time: ${who}`);
  }
}

async function untilSilent(): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while ((await ask(host(0))) !== 0) {
    if (performance.now() > deadline) throw new Error('the proxy before did not end');
  }
}

class OwnController implements Contender {
  readonly name = 'sampan';
  #world!: IngressWorld;

  async start(size: number): Promise<void> {
    this.#world = await IngressWorld.start();
    const { client } = this.#world;
    const metadata = { name: 'web', namespace: 'default' };
    await client.create(services, { metadata, spec: { ports: [{ name: 'http', port: 80 }] } });
    await client.create(endpointSlices, {
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: BACKEND_PORT }],
      endpoints: BACKENDS.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    });
    for (let at = 0; at < size; at++) await this.#create(host(at));
    await untilServed(host(size - 1));
  }

  async addHost(name: string): Promise<void> {
    await this.#create(name);
  }

  async master(): Promise<number> {
    return (await this.#world.processes()).master;
  }

  async #create(name: string): Promise<void> {
    await this.#world.client.create(ingresses, ingress({ name, rules: { [name]: ['/ web:80'] } }));
  }

  stop(): Promise<void> {
    return this.#world.stop();
  }
}

/** A program with a configuration file and a signal that makes it read that again. */
class HandWritten implements Contender {
  readonly name: string;
  readonly #render: (hosts: readonly string[]) => string;
  readonly #start: (file: string) => void;
  readonly #reload: (file: string) => void;
  readonly #stop: (file: string) => void;
  #hosts: string[] = [];

  constructor(
    name: string,
    parts: Record<'start' | 'reload' | 'stop', (file: string) => void> & { render: HandWritten['render'] },
  ) {
    this.name = name;
    this.#render = parts.render;
    this.#start = parts.start;
    this.#reload = parts.reload;
    this.#stop = parts.stop;
  }

  get render(): (hosts: readonly string[]) => string {
    return this.#render;
  }

  async start(size: number): Promise<void> {
    this.#hosts = Array.from({ length: size }, (_, at) => host(at));
    this.#start(this.#write());
    await untilServed(host(size - 1));
  }

  async addHost(name: string): Promise<void> {
    this.#hosts.push(name);
    this.#reload(this.#write());
  }

  async master(): Promise<number> {
    return Number(readFileSync(join(directory, `${this.name}.pid`), 'utf8').trim());
  }

  async stop(): Promise<void> {
    this.#stop(this.#write());
  }

  #write(): string {
    return write(`${this.name}.conf`, this.#render(this.#hosts));
  }
}

function nginxConfig(name: string, http: string): string {
  return `worker_processes 2;
pid ${directory}/${name}.pid;
error_log ${directory}/${name}.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path ${directory}/${name}-body;
  proxy_temp_path ${directory}/${name}-proxy;
  fastcgi_temp_path ${directory}/${name}-fastcgi;
  uwsgi_temp_path ${directory}/${name}-uwsgi;
  scgi_temp_path ${directory}/${name}-scgi;
${http}}
`;
}

function nginx(file: string, ...words: string[]): void {
  execFileSync('nginx', ['-c', file, ...words], { stdio: 'ignore' });
}

const nginxProxy = new HandWritten('nginx', {
  render: (hosts) => {
    const servers = hosts.map(
      (name) => `  server { listen ${ADDRESS}:80; server_name ${name}; location / { proxy_pass http://web; } }\n`,
    );
    const upstream = `  upstream web { ${BACKENDS.map((ip) => `server ${ip}:${BACKEND_PORT};`).join(' ')} keepalive 64; }\n`;
    const forwarded = '  proxy_http_version 1.1;\n  proxy_set_header Connection "";\n  proxy_set_header Host $host;\n';
    const limits = '  server_names_hash_max_size 16384;\n  proxy_set_header X-Forwarded-For $remote_addr;\n';
    return nginxConfig('nginx', `${upstream}${forwarded}${limits}${servers.join('')}`);
  },
  start: (file) => nginx(file),
  reload: (file) => nginx(file, '-s', 'reload'),
  stop: (file) => nginx(file, '-s', 'quit'),
});

function signalHaproxy(signal: string): void {
  spawnSync('sh', ['-c', `kill -${signal} $(cat ${directory}/haproxy.pid)`]);
}

const haproxyByHand = new HandWritten('haproxy', {
  render: (hosts) => {
    write('hosts.map', hosts.map((name) => `${name} web\n`).join(''));
    const servers = BACKENDS.map((ip, at) => `  server w${at} ${ip}:${BACKEND_PORT}\n`).join('');
    return `global
  pidfile ${directory}/haproxy.pid
  stats socket ${directory}/haproxy.sock mode 600 level admin expose-fd listeners
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind ${ADDRESS}:80
  http-request set-header X-Forwarded-For %[src]
  use_backend %[req.hdr(host),lower,map(${directory}/hosts.map)]
backend web
${servers}`;
  },
  start: (file) => execFileSync('haproxy', ['-W', '-D', '-f', file], { stdio: 'ignore' }),
  reload: () => signalHaproxy('USR2'),
  stop: () => signalHaproxy('TERM'),
});

interface Load {
  readonly perSecond: number;
  readonly p99Ms: number;
}

/** One thread of wrk with keep-alive connections. */
function load(name: string): Load {
  const words = ['-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, '--latency', '-H', `Host: ${name}`, `http://${ADDRESS}/`];
  const text = execFileSync('wrk', words, { encoding: 'utf8' });
  if (/Non-2xx|Socket errors/.test(text)) throw new Error(`load on ${name} failed:\n${text}`);
  const [, value = '', unit = ''] = /99%\s+([\d.]+)(us|ms|s)\b/.exec(text) ?? [];
  const scale = { us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN;
  return { perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]), p99Ms: Number(value) * scale };
}

/** Processor time of a process and its children, in µs: fields 14 and 15 of /proc/<pid>/stat, in hundredths of a second. */
function processorTime(master: number): number {
  const children = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
    .map(Number);
  const ticks = [master, ...children].map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, own) => sum + own, 0) * 10_000;
}

async function changeTimes(contender: Contender, size: number): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < CHANGES; at++) {
    const name = `new-${size}-${at}.example`;
    // A master process that has just loaded misses a signal.
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const start = performance.now();
    await contender.addHost(name);
    await untilServed(name, contender.name);
    times.push(performance.now() - start);
  }
  return times;
}

async function measure(contender: Contender, size: number): Promise<Figure[]> {
  await contender.start(size);
  try {
    const name = host(Math.floor(size / 2));
    load(name);
    const master = await contender.master();
    const before = processorTime(master);
    const { perSecond, p99Ms } = load(name);
    const eachUs = (processorTime(master) - before) / (perSecond * SECONDS);
    const times = await changeTimes(contender, size);
    const label = `${contender.name}, ${size} hosts`;
    return [
      { name: `${label}: requests`, value: perSecond, unit: '/s' },
      { name: `${label}: p99`, value: p99Ms, unit: 'ms' },
      { name: `${label}: processor time a request`, value: eachUs, unit: 'µs' },
      { name: `${label}: a new host is served after, p50`, value: quantile(times, 0.5), unit: 'ms' },
      { name: `${label}: a new host is served after, p99`, value: quantile(times, 0.99), unit: 'ms' },
    ];
  } finally {
    await contender.stop();
    await untilSilent();
  }
}

async function main(): Promise<void> {
  const missing = ['/usr/sbin/haproxy', '/usr/sbin/nginx', '/usr/bin/wrk'].filter((path) => !existsSync(path));
  if (missing.length > 0) {
    console.log(`Ingress: not measured, for want of ${missing.join(', ')} (Debian: haproxy, nginx-light, wrk)`);
    return;
  }
  await enterOwnNetwork();
  mkdirSync(directory, { recursive: true });
  const listen = BACKENDS.map((ip) => `listen ${ip}:${BACKEND_PORT} backlog=1024;`).join(' ');
  const backend = write(
    'backend.conf',
    nginxConfig('backend', `  server { ${listen} location / { return 200 "hello\\n"; } }\n`),
  );
  nginx(backend);
  try {
    const figures: Figure[] = [];
    for (const size of SIZES)
      for (const contender of [new OwnController(), nginxProxy, haproxyByHand])
        figures.push(...(await measure(contender, size)));
    const notes = [
      `${CONNECTIONS} connections for ${SECONDS} s after as long a warm-up; wrk, the proxy and the backends share the machine`,
      'a new host: from the request to the API, or the new file and the reload, to the first answer 200',
    ];
    printReport({ title: 'Ingress', figures, notes });
  } finally {
    nginx(backend, '-s', 'stop');
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
process.exit();
