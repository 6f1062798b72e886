import { inspect } from 'node:util';

/** What is known of the tests that ran. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** An event of `node:test` as far as reports need it. */
export interface TestEvent {
  readonly type: string;
  readonly data?: unknown;
}

interface Outcome {
  readonly name: string;
  readonly nesting: number;
  readonly file?: string;
  readonly line?: number;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details?: {
    readonly type?: string;
    readonly error?: { readonly failureType?: string; readonly cause?: unknown };
  };
}

/** Failures as they happen, and the counts of all. */
export class TestReport {
  readonly #write: (text: string) => void;
  readonly #root: string;
  #passed = 0;
  #failed = 0;
  readonly #skipped: string[] = [];

  constructor(options: { write: (text: string) => void; root: string }) {
    this.#write = options.write;
    this.#root = options.root;
  }

  get counts(): TestCounts {
    return { passed: this.#passed, failed: this.#failed, skipped: this.#skipped.length };
  }

  /** Takes an event of a `node:test` run. */
  add({ type, data }: TestEvent): void {
    if (type === 'test:pass') this.#pass(data as Outcome);
    if (type === 'test:fail') this.#fail(data as Outcome);
    if (type === 'test:stdout' || type === 'test:stderr') this.#write((data as { message: string }).message);
  }

  /** Takes the outcome of something that is no test of `node:test`. */
  check(name: string, failure?: string): void {
    if (failure === undefined) this.#passed++;
    else this.#failure(name, failure);
  }

  /** A stage is over; `counts` are those at its begin. */
  stageLine(name: string, before: TestCounts, milliseconds: number): void {
    const { passed, failed, skipped } = this.counts;
    const parts = [`${passed - before.passed} passed`, `${failed - before.failed} failed`];
    if (skipped > before.skipped) parts.push(`${skipped - before.skipped} skipped`);
    this.#write(`${name.padEnd(8)}${parts.join(', ')} (${(milliseconds / 1000).toFixed(1)} s)\n`);
  }

  /** What was skipped and why, and the last line: `N passed, N failed`. */
  end(): void {
    for (const line of this.#skipped) this.#write(`skipped: ${line}\n`);
    const { passed, failed, skipped } = this.counts;
    this.#write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  }

  #pass(outcome: Outcome): void {
    const reason = outcome.skip ?? outcome.todo;
    if (reason === undefined || reason === false) this.#passed += isSuite(outcome) ? 0 : 1;
    else this.#skipped.push(`${this.#place(outcome)}${reason === true ? '' : `: ${reason}`}`);
  }

  #fail(outcome: Outcome): void {
    // A parent fails because its subtest did: that one is told already.
    if (outcome.details?.error?.failureType === 'subtestsFailed') return;
    if (outcome.todo !== undefined && outcome.todo !== false) return void this.#skipped.push(this.#place(outcome));
    this.#failure(this.#place(outcome), inspect(outcome.details?.error?.cause ?? outcome.details?.error));
  }

  #failure(name: string, text: string): void {
    this.#failed++;
    const indented = text.trimEnd().replaceAll(/^(?=.)/gm, '    ');
    this.#write(`✗ ${name}\n${indented}\n`);
  }

  #place({ name, file, line }: Outcome): string {
    const path = file?.startsWith(`${this.#root}/`) ? file.slice(this.#root.length + 1) : file;
    return path && path !== name ? `${path}${line === undefined ? '' : `:${line}`} ${name}` : name;
  }
}

function isSuite(outcome: Outcome): boolean {
  return outcome.details?.type === 'suite';
}
