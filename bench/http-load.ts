import { request } from 'node:http';

/**
 * Bounded load, as a program of its own that runs inside a node's network namespace: `http-load.ts URL RATE SECONDS`. Sends
 * RATE requests a second whether or not they are answered, each over a connection of its own. Ends after SECONDS or when its
 * input ends, and prints a {@link LoadResult} as JSON.
 */
export interface LoadResult {
  readonly sent: number;
  readonly answered: number;
  /** What went wrong, with how often and when it first did. */
  readonly failures: Readonly<Record<string, { readonly count: number; readonly firstAt: string }>>;
  readonly slowestMs: number;
}

const TICK_MS = 10;
const TIMEOUT_MS = 5000;
const RATE_MAX = 2000;
const SECONDS_MAX = 120;

class Load {
  readonly #url: string;
  readonly #failures: Record<string, { count: number; firstAt: string }> = {};
  #sent = 0;
  #answered = 0;
  #slowestMs = 0;
  #open = 0;

  constructor(url: string) {
    this.#url = url;
  }

  get idle(): boolean {
    return this.#open === 0;
  }

  send(): void {
    const start = performance.now();
    this.#sent += 1;
    this.#open += 1;
    let ended = false;
    const end = (failure?: string) => {
      if (ended) return;
      ended = true;
      this.#open -= 1;
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - start);
      if (failure === undefined) this.#answered += 1;
      else this.#fail(failure);
    };
    const sent = request(this.#url, { agent: false, timeout: TIMEOUT_MS }, (response) => {
      response.on('error', (error) => end(error.message));
      response.on('end', () => end(response.statusCode === 200 ? undefined : `status ${response.statusCode}`));
      response.resume();
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    sent.end();
  }

  result(): LoadResult {
    const [sent, answered, failures, slowestMs] = [this.#sent, this.#answered, this.#failures, this.#slowestMs];
    return { sent, answered, failures, slowestMs };
  }

  #fail(reason: string): void {
    this.#failures[reason] ??= { count: 0, firstAt: new Date().toISOString() };
    this.#failures[reason].count += 1;
  }
}

const [url = '', rate = '', seconds = ''] = process.argv.slice(2);
const load = new Load(url);
const perSecond = Math.min(Number(rate), RATE_MAX);
const startedAt = performance.now();
const endAt = startedAt + Math.min(Number(seconds), SECONDS_MAX) * 1000;
let due = 0;
let stopped = false;
process.stdin.on('end', () => (stopped = true)).resume();
const timer = setInterval(() => {
  const now = performance.now();
  if (!stopped && now < endAt) {
    for (; due < ((now - startedAt) / 1000) * perSecond; due++) load.send();
    return;
  }
  if (!load.idle) return;
  clearInterval(timer);
  process.stdout.write(`${JSON.stringify(load.result())}\n`, () => process.exit());
}, TICK_MS);
