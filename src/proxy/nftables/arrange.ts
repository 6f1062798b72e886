import type { Endpoint } from '../../servicemap/service-port.ts';

/** Endpoints of a list in the order of their indexes, and the number that each keeps for life. */
export interface Arrangement {
  readonly endpoints: readonly Endpoint[];
  /** Of the endpoint at the same place; a client that stays with an endpoint remembers this. */
  readonly slots: readonly number[];
}

/** Indexes and slots are 16 bits of a packet's mark. */
export const ENDPOINTS_MAX = 65_536;

const EMPTY: Arrangement = { endpoints: [], slots: [] };

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
  return { endpoints, slots: numberSlots(endpoints, slotOf) };
}

/**
 * A slot follows from the endpoint itself, so that what clients are remembered with means the same to the next process. Where
 * two endpoints would have the same one, who has it keeps it, and the other takes the next that is free.
 */
function numberSlots(endpoints: readonly Endpoint[], slotOf: ReadonlyMap<string, number>): number[] {
  const kept = endpoints.map((endpoint) => slotOf.get(nameOf(endpoint)));
  const used = new Set(kept);
  return endpoints.map((endpoint, index) => {
    if (kept[index] !== undefined) return kept[index];
    let slot = hash16(nameOf(endpoint));
    while (used.has(slot)) slot = (slot + 1) % ENDPOINTS_MAX;
    used.add(slot);
    return slot;
  });
}

const FNV_OFFSET = 0x811c_9dc5;
const FNV_PRIME = 0x0100_0193;

/** FNV-1a, its two halves folded into one. */
function hash16(text: string): number {
  let hash = FNV_OFFSET;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return (hash ^ (hash >>> 16)) & 0xffff;
}

function nameOf({ ip, port }: Endpoint): string {
  return `${ip}:${port}`;
}
