import { parseQuantity } from '../api/quantity.ts';
import type { Pod } from '../api/types.ts';

type PodSpec = NonNullable<Pod['spec']>;
type Container = PodSpec['containers'][number];
type Quantities = Readonly<Record<string, string | number>> | undefined;

/** Resource name → whole units: thousandths of a core, bytes, pieces. */
export type Amounts = ReadonlyMap<string, number>;

/** Whole units of a quantity, rounded up: sums of them have no rounding errors. */
export function wholeUnits(name: string, quantity: string | number): number {
  const value = parseQuantity(String(quantity)) ?? 0;
  // What is a hair above a whole number is so by binary fractions alone.
  return Math.ceil(Number((name === 'cpu' ? value * 1000 : value).toFixed(3)));
}

export function toAmounts(quantities: Quantities): Map<string, number> {
  return new Map(Object.entries(quantities ?? {}).map(([name, quantity]) => [name, wholeUnits(name, quantity)]));
}

/**
 * What a pod asks of its node: its containers and sidecars together, or more if an init container needs more beside the
 * sidecars that are there by then (KEP-753); requests of the pod itself instead (KEP-2837); the runtime's overhead on top.
 */
export function podRequests(spec: PodSpec): Map<string, number> {
  const steady = sum(spec.containers.map(requestsOf));
  const sidecars = new Map<string, number>();
  const peak = new Map<string, number>();
  for (const container of spec.initContainers ?? []) {
    const own = requestsOf(container);
    if (container.restartPolicy === 'Always') addAll(sidecars, own);
    else raiseAll(peak, sum([sidecars, own]));
  }
  addAll(steady, sidecars);
  raiseAll(steady, peak);
  for (const [name, value] of toAmounts(spec.resources?.requests)) steady.set(name, value);
  addAll(steady, toAmounts(spec.overhead));
  return steady;
}

/** A limit without a request is one. */
function requestsOf(container: Container): Map<string, number> {
  return toAmounts({ ...container.resources?.limits, ...container.resources?.requests });
}

function sum(parts: readonly Amounts[]): Map<string, number> {
  const total = new Map<string, number>();
  for (const part of parts) addAll(total, part);
  return total;
}

export function addAll(total: Map<string, number>, part: Amounts, sign: 1 | -1 = 1): void {
  for (const [name, value] of part) total.set(name, (total.get(name) ?? 0) + sign * value);
}

function raiseAll(total: Map<string, number>, part: Amounts): void {
  for (const [name, value] of part) if (value > (total.get(name) ?? 0)) total.set(name, value);
}
