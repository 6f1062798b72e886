import { endpointSlices } from '../src/api/kinds/endpointslice.ts';
import { namespaces } from '../src/api/kinds/namespace.ts';
import { services } from '../src/api/kinds/service.ts';
import type { Service } from '../src/api/types.ts';
import { startDns } from '../src/dns/dns.ts';
import { systemClock } from '../src/lib/clock.ts';
import { silentLogger } from '../src/lib/log.ts';
import { PlainInformers } from '../src/testing/plain-informers.ts';
import { answerMessages, liveBytes, quantile } from './lib.ts';

/** The DNS server with as many Services as asked, alone in its process. */
const informers = new PlainInformers();
let cpu = process.cpuUsage();

function serviceOf(index: number, port = 80): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `web-${index}`, namespace: `team-${index % 100}` },
    spec: { clusterIP: `10.96.${index >> 8}.${index & 255}`, ports: [{ name: 'http', protocol: 'TCP', port }] },
  };
}

function fill(count: number): void {
  for (let team = 0; team < 100; team++)
    informers.of(namespaces).set({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: `team-${team}` } });
  for (let index = 0; index < count; index++) informers.of(services).set(serviceOf(index));
  informers.of(endpointSlices);
  informers.markSynced();
}

async function start({ count }: { count: number }) {
  fill(count);
  const before = { bytes: liveBytes(), at: performance.now() };
  const dns = await startDns({
    informers,
    listen: [{ address: '127.0.0.1', port: 0 }],
    clock: systemClock,
    random: Math.random,
    log: silentLogger,
    signal: new AbortController().signal,
  });
  while (!dns.ready) await new Promise(setImmediate);
  const loadMs = performance.now() - before.at;
  return { port: dns.addresses[0]!.port, loadMs, bytes: liveBytes() - before.bytes };
}

/** Time from the cache's change to the new answer being in place, in ms. */
async function changes({ count, rounds }: { count: number; rounds: number }) {
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const next = serviceOf((round * 7919) % count, 8080 + round);
    const start = performance.now();
    informers.of(services).set(next);
    await Promise.resolve();
    samples.push(performance.now() - start);
  }
  return { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) };
}

/** CPU seconds of this process since the last call. */
function cpuSeconds(): number {
  const used = process.cpuUsage(cpu);
  cpu = process.cpuUsage();
  return (used.user + used.system) / 1e6;
}

type Message = { do: 'start'; count: number } | { do: 'changes'; count: number; rounds: number } | { do: 'cpu' };

answerMessages((message: Message) => {
  if (message.do === 'start') return start(message);
  if (message.do === 'changes') return changes(message);
  return cpuSeconds();
});
