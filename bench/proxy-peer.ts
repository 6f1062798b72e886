import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { systemClock } from '../src/lib/clock.ts';
import { silentLogger } from '../src/lib/log.ts';
import { type BackendOptions, openBackend } from '../src/proxy/backends.ts';
import type { ModeName, Plan, ProxyBackend } from '../src/proxy/mode.ts';
import type { ServicePort } from '../src/servicemap/service-port.ts';
import { quantile, residentBytes, timeMs } from './lib.ts';
import { BENCH_LAN } from './proxy-lan.ts';

const ADDRESSES = { clusterCidr: '10.244.0.0/15', serviceCidr: '10.96.0.0/12', nodeIps: [BENCH_LAN.nodeIp] };
const CONCURRENCY = 16;

function servicePort(index: number, generation = 0): ServicePort {
  const last = (index % 250) + 1;
  const endpoints = [
    { ip: `10.244.${1 + (generation % 100)}.${last}`, port: 8080 },
    { ip: `10.245.1.${last}`, port: 8080 },
  ];
  return portOf(`web-${index}`, `10.${97 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`, endpoints);
}

function portOf(name: string, ip: string, endpoints: ServicePort['internal']): ServicePort {
  return {
    key: `default/${name}:http`,
    family: 4,
    protocol: 'TCP',
    port: 80,
    nodePort: 0,
    clusterIps: [ip],
    externalIps: [],
    loadBalancerIps: [],
    sourceRanges: [],
    affinitySeconds: 0,
    internal: endpoints,
    external: endpoints,
    cluster: endpoints,
    keepSource: false,
  };
}

interface MeasureRequest {
  readonly do: 'measure' | 'cleanup';
  readonly mode: ModeName;
  readonly options: Pick<BackendOptions, 'iptables'>;
  readonly size: number;
  readonly changes: number;
}

let backend: ProxyBackend | undefined;

async function apply(plan: Plan): Promise<void> {
  await backend!.run(plan);
  plan.commit();
}

async function measure({ mode, options, size, changes }: MeasureRequest) {
  backend = openBackend({ mode }, { ...options, addresses: ADDRESSES, clock: systemClock, log: silentLogger });
  if (backend.name !== mode) return { mode: backend.name };
  const web = (index: number, generation?: number) =>
    [`default/web-${index}`, [servicePort(index, generation)]] as [string, ServicePort[]];
  const pod = [{ ip: BENCH_LAN.podIp, port: BENCH_LAN.podPort }];
  const all = new Map(Array.from({ length: size - 1 }, (_, index) => web(index)));
  all.set('default/last', [portOf('last', BENCH_LAN.serviceIp, pod)]);
  const syncMs = await timeMs(() => apply(backend!.mode.reset(all)));
  const times: number[] = [];
  for (let change = 1; change <= changes; change++) {
    const index = (change * 7919) % (size - 1);
    times.push(await timeMs(() => apply(backend!.mode.update(new Map([web(index, change)])))));
  }
  const changesMs = { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
  return { mode, syncMs, changesMs, residentMiB: residentBytes() / 2 ** 20 };
}

async function nodeRole(request: MeasureRequest) {
  if (request.do === 'measure') return measure(request);
  await backend?.cleanup();
  return {};
}

/** Every connection is taken, and ended at once. */
async function podRole() {
  const server = createServer((socket) => socket.on('error', () => {}).end());
  server.listen({ port: BENCH_LAN.podPort, host: BENCH_LAN.podIp, backlog: 1024 });
  await once(server, 'listening');
  return {};
}

/** Connections a second: each is opened, and heard to its end. */
async function clientRole({ ip, port, count }: { ip: string; port: number; count: number }) {
  let left = count;
  const worker = async () => {
    while (left-- > 0) {
      const socket = connect({ host: ip, port, noDelay: true });
      socket.resume();
      await once(socket, 'close');
    }
  };
  const ms = await timeMs(() => Promise.all(Array.from({ length: CONCURRENCY }, worker)));
  return { rate: count / (ms / 1000) };
}

const roles = { node: nodeRole, pod: podRole, client: clientRole } as const;
const role = roles[process.argv[2] as keyof typeof roles] as (message: never) => Promise<object>;

process.on('message', (message) => {
  const answer = role(message as never).catch((error: Error) => ({ error: error.message }));
  void answer.then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit());
