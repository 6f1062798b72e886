import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchProcess, startProcess } from './lib.ts';
import { type Figure, printReport } from './report.ts';

/** The API server over TLS sockets and the durable store: single objects, lists, watches, memory, start. */
const CLIENTS = [1, 16, 128];
const KINDS = ['create', 'get', 'update', 'patch'] as const;
const DURATION_MS = 4_000;
const LISTED = 10_000;
const STORED = 100_000;
const WATCHERS = 1_000;
const CHANGES_PER_SECOND = 100;

interface Started {
  port: number;
  caPem: string;
  admin: { certPem: string; keyPem: string };
  startMs: number;
}

interface Result {
  perSecond: number;
  p50: number;
  p99: number;
  failures: number;
}

async function withServer<T>(
  directory: string | undefined,
  use: (server: BenchProcess, started: Started, load: BenchProcess) => Promise<T>,
): Promise<T> {
  const server = startProcess('./api-server.ts');
  const load = startProcess('./api-load.ts');
  try {
    const started = await server.ask<Started>({ do: 'start', directory });
    const result = await use(server, started, load);
    await server.ask({ do: 'stop' });
    return result;
  } finally {
    await Promise.all([server.stop(), load.stop()]);
  }
}

function singleObjects(directory: string): Promise<Figure[]> {
  return withServer(directory, async (_server, started, load) => {
    const figures: Figure[] = [];
    for (const kind of KINDS) {
      for (const clients of CLIENTS) {
        const asked = { do: 'work', ...started, kind, clients, durationMs: DURATION_MS, run: `${kind}${clients}` };
        const { perSecond, p99, failures } = await load.ask<Result>(asked);
        if (failures > 0) throw new Error(`${failures} of the ${kind} requests failed`);
        const least = kind === 'create' && clients === 128 ? { target: { least: 5_000 } } : {};
        const name = `${kind}, ${clients} ${clients === 1 ? 'client' : 'clients'}`;
        figures.push({ name, value: perSecond, unit: '/s', ...least });
        figures.push({ name: `${name}, p99`, value: p99, unit: 'ms' });
      }
    }
    return figures;
  });
}

function lists(): Promise<Figure[]> {
  return withServer(undefined, async (server, started, load) => {
    await server.ask({ do: 'fill', count: LISTED });
    const asked = { do: 'work', ...started, kind: 'list', clients: 1, durationMs: DURATION_MS, run: 'list' };
    const { p50, p99 } = await load.ask<Result>(asked);
    const name = `list of ${LISTED.toLocaleString('en-US')} pods`;
    return [
      { name: `${name}, p50`, value: p50, unit: 'ms' },
      { name: `${name}, p99`, value: p99, unit: 'ms' },
    ];
  });
}

function watches(directory: string): Promise<Figure[]> {
  return withServer(directory, async (_server, started, load) => {
    const asked = {
      ...started,
      do: 'watch',
      watchers: WATCHERS,
      changesPerSecond: CHANGES_PER_SECOND,
      durationMs: DURATION_MS,
    };
    const { p50, p99, seen, expected } = await load.ask<{ p50: number; p99: number; seen: number; expected: number }>(
      asked,
    );
    const name = `${WATCHERS.toLocaleString('en-US')} watchers, ${CHANGES_PER_SECOND} changes a second: change sent until seen`;
    return [
      { name: `${name}, p50`, value: p50, unit: 'ms' },
      { name: `${name}, p99`, value: p99, unit: 'ms', target: { most: 20 } },
      { name: 'events that arrived, of those expected', value: (seen / expected) * 100, unit: '%' },
    ];
  });
}

async function bulk(directory: string): Promise<Figure[]> {
  const memory = await withServer(directory, async (server) => {
    await server.ask({ do: 'fill', count: STORED });
    return server.ask<{ live: number; resident: number }>({ do: 'memory' });
  });
  const { startMs, resident } = await withServer(directory, async (server, { startMs }) => ({
    startMs,
    resident: (await server.ask<{ resident: number }>({ do: 'memory' })).resident,
  }));
  const name = `${STORED.toLocaleString('en-US')} objects`;
  return [
    { name: `${name}: memory in use`, value: memory.live / 2 ** 20, unit: 'MiB' },
    { name: `${name}: resident memory after a start`, value: resident / 2 ** 20, unit: 'MiB' },
    { name: `${name}: start until it serves`, value: startMs / 1000, unit: 's', target: { most: 2 } },
  ];
}

const root = mkdtempSync(join(tmpdir(), 'sampan-bench-'));
try {
  const wanted = process.argv.slice(2);
  const parts: Record<string, () => Promise<Figure[]>> = {
    objects: () => singleObjects(join(root, 'objects')),
    lists,
    watches: () => watches(join(root, 'watches')),
    bulk: () => bulk(join(root, 'bulk')),
  };
  const figures: Figure[] = [];
  for (const [name, part] of Object.entries(parts))
    if (wanted.length === 0 || wanted.includes(name)) figures.push(...(await part()));
  printReport({
    title: 'API server',
    figures,
    notes: ['every write is on the disk before it is answered; the load generator shares the processors'],
  });
} finally {
  rmSync(root, { recursive: true });
}
