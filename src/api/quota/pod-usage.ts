import { type Amount, addAmounts, toAmount } from '../quantity.ts';
import type { Pod } from '../types.ts';

type PodSpec = NonNullable<Pod['spec']>;
type Container = PodSpec['containers'][number];
type Quantities = Readonly<Record<string, string | number>> | undefined;

/** Resource name → amount. */
export type Amounts = Map<string, Amount>;

/**
 * What a pod's containers ask for together: containers and sidecars at once, or more while an init container runs, with the
 * pod's own resources in their place and its overhead on top.
 */
export function podTotals(spec: PodSpec, kind: 'requests' | 'limits'): Amounts {
  const steady = new Map<string, Amount>();
  for (const container of spec.containers) addAll(steady, of(container, kind));
  const sidecars = new Map<string, Amount>();
  const peak = new Map<string, Amount>();
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') addAll(sidecars, of(container, kind));
    else {
      const running = new Map(sidecars);
      addAll(running, of(container, kind));
      raiseAll(peak, running);
    }
  }
  addAll(steady, sidecars);
  raiseAll(steady, peak);
  for (const [name, amount] of toAmounts(spec.resources?.[kind])) steady.set(name, amount);
  if (kind === 'requests') addAll(steady, toAmounts(spec.overhead));
  return steady;
}

export function toAmounts(quantities: Quantities): Amounts {
  return new Map(Object.entries(quantities ?? {}).map(([name, quantity]) => [name, toAmount(quantity)]));
}

export function addAll(total: Amounts, part: ReadonlyMap<string, Amount>): void {
  for (const [name, amount] of part) total.set(name, total.has(name) ? addAmounts(total.get(name)!, amount) : amount);
}

function of(container: Container, kind: 'requests' | 'limits'): Amounts {
  return toAmounts(container.resources?.[kind]);
}

function raiseAll(total: Amounts, part: Amounts): void {
  for (const [name, amount] of part) if (amount.nanos > (total.get(name)?.nanos ?? -1n)) total.set(name, amount);
}

/** No container asks for anything. */
export function isBestEffort(spec: PodSpec): boolean {
  const asks = (resources: Container['resources']) =>
    [resources?.requests, resources?.limits].some((each) => Object.keys(each ?? {}).some(isCompute));
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  return !asks(spec.resources) && !containers.some(({ resources }) => asks(resources));
}

function isCompute(name: string): boolean {
  return name === 'cpu' || name === 'memory';
}
