import type { Endpoint } from '../../servicemap/service-port.ts';

/** Endpoints of a list in the order of their indexes, and the number that each keeps for life. */
export interface Arrangement {
  readonly endpoints: readonly Endpoint[];
  /** Of the endpoint at the same place; a client that stays with an endpoint remembers this. */
  readonly slots: readonly number[];
  readonly nextSlot: number;
}

/** Indexes and slots are 16 bits of a packet's mark. */
export const ENDPOINTS_MAX = 65_536;

const EMPTY: Arrangement = { endpoints: [], slots: [], nextSlot: 0 };

/**
 * Gives each endpoint an index below their number, moving as few as possible: who stays keeps the place, who comes takes a
 * free one, and only then the last ones fill what is left open. So one endpoint more or less is one or two elements.
 */
export function arrange(wanted: readonly Endpoint[], before: Arrangement = EMPTY): Arrangement {
  const count = Math.min(wanted.length, ENDPOINTS_MAX);
  const slotOf = new Map(before.endpoints.map((endpoint, index) => [nameOf(endpoint), before.slots[index]!]));
  const missing = new Map(wanted.slice(0, count).map((endpoint) => [nameOf(endpoint), endpoint]));
  const places: (Endpoint | undefined)[] = Array.from({ length: count });
  for (const [index, endpoint] of before.endpoints.entries()) {
    if (index >= count || !missing.delete(nameOf(endpoint))) continue;
    places[index] = endpoint;
  }
  const rest = missing.values();
  const endpoints = places.map((endpoint) => endpoint ?? rest.next().value!);
  return { endpoints, ...numberSlots(endpoints, slotOf, before.nextSlot) };
}

function numberSlots(
  endpoints: readonly Endpoint[],
  slotOf: ReadonlyMap<string, number>,
  first: number,
): Pick<Arrangement, 'slots' | 'nextSlot'> {
  const used = new Set(slotOf.values());
  let nextSlot = first;
  const take = () => {
    while (used.has(nextSlot)) nextSlot = (nextSlot + 1) % ENDPOINTS_MAX;
    const slot = nextSlot;
    nextSlot = (nextSlot + 1) % ENDPOINTS_MAX;
    used.add(slot);
    return slot;
  };
  const kept = endpoints.map((endpoint) => slotOf.get(nameOf(endpoint)));
  // A number comes round again only when all are used up; those of endpoints that leave are free at once then.
  if (used.size + kept.filter((slot) => slot === undefined).length > ENDPOINTS_MAX) used.clear();
  for (const slot of kept) if (slot !== undefined) used.add(slot);
  return { slots: kept.map((slot) => slot ?? take()), nextSlot };
}

function nameOf({ ip, port }: Endpoint): string {
  return `${ip}:${port}`;
}
