import type { Metric, Registry } from 'prom-client';

/** Labels of `apiserver_request_*`. */
export interface RequestLabels {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly scope: string;
  readonly component: string;
}

export interface Answered {
  readonly dryRun: string;
  readonly code: number;
  /** Left out for what lasts as long as its client likes. */
  readonly seconds?: number;
  /** Left out for streams. */
  readonly bytes?: number;
}

interface Distribution {
  readonly bounds: readonly number[];
  /** By bucket, not summed up; the last holds what is beyond all bounds. */
  readonly counts: number[];
  sum: number;
}

interface Entry {
  readonly labels: Readonly<Record<string, string>>;
  readonly codes: Map<number, number>;
  readonly seconds: Distribution;
  readonly bytes: Distribution;
}

const SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const BYTES = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/** Counts requests with two look-ups each, and has them read when somebody asks: every request passes here. */
export class RequestStats {
  readonly #entries = new Map<string, Entry>();

  constructor(registry: Registry) {
    const register = (name: string, type: 'counter' | 'histogram', help: string, values: () => Value[]) => {
      const read = async () => ({ name, help, type, aggregator: 'sum' as const, values: values() });
      registry.registerMetric({ name, get: read, reset: () => this.#entries.clear() } as unknown as Metric);
    };
    const each = (read: (entry: Entry) => Value[]) => () => [...this.#entries.values()].flatMap(read);
    register('apiserver_request_total', 'counter', 'Requests, by answer', each(codeValues));
    const duration = 'apiserver_request_duration_seconds';
    register(
      duration,
      'histogram',
      'Time until an answer',
      each((entry) => spread(duration, entry, entry.seconds)),
    );
    const sizes = 'apiserver_response_sizes';
    register(
      sizes,
      'histogram',
      'Bytes of answers',
      each((entry) => spread(sizes, entry, entry.bytes)),
    );
  }

  /** `key`: the same for the same labels; they are asked for once. */
  add(key: string, labels: () => RequestLabels, { dryRun, code, seconds, bytes }: Answered): void {
    const full = dryRun === '' ? key : `${key} ${dryRun}`;
    let entry = this.#entries.get(full);
    if (!entry) {
      entry = newEntry({ ...labels(), dry_run: dryRun });
      this.#entries.set(full, entry);
    }
    entry.codes.set(code, (entry.codes.get(code) ?? 0) + 1);
    if (seconds !== undefined) put(entry.seconds, seconds);
    if (bytes !== undefined) put(entry.bytes, bytes);
  }
}

function newEntry(labels: Readonly<Record<string, string>>): Entry {
  const empty = (bounds: readonly number[]): Distribution => ({
    bounds,
    counts: new Array<number>(bounds.length + 1).fill(0),
    sum: 0,
  });
  return { labels, codes: new Map(), seconds: empty(SECONDS), bytes: empty(BYTES) };
}

function put(distribution: Distribution, value: number): void {
  const at = distribution.bounds.findIndex((bound) => value <= bound);
  distribution.counts[at < 0 ? distribution.bounds.length : at]!++;
  distribution.sum += value;
}

interface Value {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

function codeValues({ labels, codes }: Entry): Value[] {
  return [...codes].map(([code, value]) => ({ labels: { ...labels, code }, value }));
}

/** Buckets as Prometheus has them: each holds those below it, too. */
function spread(name: string, { labels }: Entry, { bounds, counts, sum }: Distribution): Value[] {
  let total = 0;
  const buckets = counts.map((count, index) => {
    total += count;
    return { metricName: `${name}_bucket`, labels: { le: bounds[index] ?? '+Inf', ...labels }, value: total };
  });
  if (total === 0) return [];
  const rest = [
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total },
  ];
  return [...buckets, ...rest];
}
