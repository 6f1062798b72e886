import { describeMachine } from './lib.ts';

/** One measured value. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 'ms' | 's' | 'µs' | '/s' | 'MiB' | '%' | '';
  /** What it should be, in the same unit. */
  readonly target?: { readonly most: number } | { readonly least: number };
}

export interface Report {
  readonly title: string;
  readonly figures: readonly Figure[];
  /** How it was measured, where the names do not say. */
  readonly notes?: readonly string[];
}

/** A report as text: the machine first, then one line a figure with its target and whether it was met. */
export function formatReport({ title, figures, notes = [] }: Report): string {
  const rows = figures.map((figure) => [figure.name, formatValue(figure.value), figure.unit, formatTarget(figure)]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
  const lines = rows.map(([name, value, unit, target]) =>
    `  ${name!.padEnd(widths[0]!)}  ${value!.padStart(widths[1]!)} ${unit!.padEnd(widths[2]!)}  ${target}`.trimEnd(),
  );
  return [title, `  on ${describeMachine()}`, ...lines, ...notes.map((note) => `  (${note})`)].join('\n');
}

function formatValue(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(3);
}

function formatTarget({ value, target }: Figure): string {
  if (!target) return '';
  const met = 'most' in target ? value <= target.most : value >= target.least;
  const bound = 'most' in target ? `≤ ${formatValue(target.most)}` : `≥ ${formatValue(target.least)}`;
  return `${bound} ${met ? '✔' : '✘'}`;
}

/** Prints a report, as every benchmark ends. */
export function printReport(report: Report): void {
  console.log(`\n${formatReport(report)}`);
}
