import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type BenchProcess, startProcess } from './lib.ts';
import { type Figure, printReport } from './report.ts';

/** What CoreDNS publishes for one core. */
const COREDNS_PER_CORE = 17_000;
const DURATION_MS = 5_000;
const SIZES = [1_000, 50_000];

interface Server {
  readonly process: BenchProcess;
  readonly port: number;
  readonly names: readonly string[];
}

interface LoadResult {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  failures: number;
  count: number;
}

/** Names all over the index, so that caches of the processor help no more than in life. */
function sampleNames(count: number): string[] {
  return Array.from({ length: 1000 }, (_, i) => {
    const index = (i * 7919) % count;
    return `web-${index}.team-${index % 100}.svc.cluster.local`;
  });
}

async function measureLoad({ process, port, names }: Server, underWay: number) {
  const client = startProcess('./dns-load.ts');
  await process.ask({ do: 'cpu' });
  const result = await client.ask<LoadResult>({ port, names, underWay, durationMs: DURATION_MS });
  const cpuSeconds = await process.ask<number>({ do: 'cpu' });
  await client.stop();
  if (result.failures > 0) throw new Error(`${result.failures} of ${result.count} queries failed`);
  return { ...result, perCpuSecond: result.count / cpuSeconds };
}

function hasDnsperf(): boolean {
  try {
    execFileSync('dnsperf', ['-h'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function measureDnsperf({ process, port, names }: Server) {
  const folder = mkdtempSync(join(tmpdir(), 'sampan-bench-'));
  const file = join(folder, 'queries');
  writeFileSync(file, names.map((name) => `${name} A\n`).join(''));
  await process.ask({ do: 'cpu' });
  const args = ['-s', '127.0.0.1', '-p', `${port}`, '-d', file, '-l', `${DURATION_MS / 1000}`, '-q', '64'];
  const { stdout } = await promisify(execFile)('dnsperf', args).finally(() => rmSync(folder, { recursive: true }));
  const cpuSeconds = await process.ask<number>({ do: 'cpu' });
  const read = (label: string) => Number(new RegExp(`${label}:\\s+([\\d.]+)`).exec(stdout)?.[1]);
  return { perSecond: read('Queries per second'), perCpuSecond: read('Queries completed') / cpuSeconds };
}

async function measureSize(count: number): Promise<Figure[]> {
  const process = startProcess('./dns-server.ts');
  try {
    const started = await process.ask<{ port: number; loadMs: number; bytes: number }>({ do: 'start', count });
    const server: Server = { process, port: started.port, names: sampleNames(count) };
    const busy = await measureLoad(server, 64);
    const calm = await measureLoad(server, 1);
    const dnsperf = hasDnsperf() ? await measureDnsperf(server) : undefined;
    const change = await process.ask<{ p50: number; p99: number }>({ do: 'changes', count, rounds: 2000 });
    const least = { least: COREDNS_PER_CORE };
    const figures: Figure[] = [
      { name: 'all records built', value: started.loadMs, unit: 'ms' },
      { name: 'memory of the records', value: started.bytes / 2 ** 20, unit: 'MiB' },
      { name: 'queries, 64 under way', value: busy.perSecond, unit: '/s', target: least },
      { name: 'queries for each CPU second of the server', value: busy.perCpuSecond, unit: '/s', target: least },
      { name: 'latency p50, 64 under way', value: busy.p50Ms, unit: 'ms' },
      { name: 'latency p99, 64 under way', value: busy.p99Ms, unit: 'ms' },
      { name: 'latency p50, one at a time', value: calm.p50Ms, unit: 'ms' },
      { name: 'latency p99, one at a time', value: calm.p99Ms, unit: 'ms' },
      ...(dnsperf
        ? [
            { name: 'queries, dnsperf', value: dnsperf.perSecond, unit: '/s', target: least } as const,
            {
              name: 'queries for each CPU second, dnsperf',
              value: dnsperf.perCpuSecond,
              unit: '/s',
              target: least,
            } as const,
          ]
        : []),
      { name: 'one Service changed p50', value: change.p50, unit: 'ms' },
      { name: 'one Service changed p99', value: change.p99, unit: 'ms', target: { most: 1 } },
    ];
    return figures.map((figure) => ({ ...figure, name: `${count.toLocaleString('en-US')} Services: ${figure.name}` }));
  } finally {
    await process.stop();
  }
}

const figures: Figure[] = [];
for (const size of SIZES) figures.push(...(await measureSize(size)));
printReport({
  title: 'DNS',
  figures,
  notes: [
    'server and load are one process each, over loopback; targets are what CoreDNS publishes for a core',
    ...(hasDnsperf() ? [] : ['dnsperf is not installed (Debian: apt-get install dnsperf): its rows are left out']),
  ],
});
