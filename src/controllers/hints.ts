import type { EndpointSlice, Service } from '../api/types.ts';

type Endpoint = EndpointSlice['endpoints'][number];

/** `forNodes` is newer than the types (KEP-3015, 1.33). */
interface Hints {
  readonly forZones?: { name: string }[];
  readonly forNodes?: { name: string }[];
}

/**
 * Who should prefer an endpoint: clients of its own zone, and with PreferSameNode clients of its node before them
 * (spec.trafficDistribution; KEP-4444, KEP-3015). Only what is ready is preferred.
 */
export function hintsFor(service: Service, endpoint: Endpoint): Pick<Endpoint, 'hints'> {
  // The third value is newer than the types.
  const wanted = service.spec?.trafficDistribution as string | undefined;
  if (!wanted || !DISTRIBUTIONS.has(wanted) || !endpoint.conditions?.ready) return {};
  const { zone, nodeName } = endpoint;
  const hints: Hints = {
    ...(zone ? { forZones: [{ name: zone }] } : {}),
    ...(nodeName && wanted === 'PreferSameNode' ? { forNodes: [{ name: nodeName }] } : {}),
  };
  return Object.keys(hints).length > 0 ? { hints } : {};
}

/** PreferClose is the older name of PreferSameZone. */
const DISTRIBUTIONS = new Set(['PreferClose', 'PreferSameZone', 'PreferSameNode']);
