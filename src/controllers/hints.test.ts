import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Service } from '../api/types.ts';
import { hintsFor } from './hints.ts';

type Endpoint = EndpointSlice['endpoints'][number];

const inZone: Endpoint = { addresses: ['10.0.0.1'], conditions: { ready: true }, zone: 'z1', nodeName: 'n1' };
const zone = { forZones: [{ name: 'z1' }] };
const node = { forNodes: [{ name: 'n1' }] };

describe('hintsFor', () => {
  const rows: [string | undefined, Endpoint, object][] = [
    [undefined, inZone, {}],
    ['PreferClose', inZone, { hints: zone }],
    ['PreferSameZone', inZone, { hints: zone }],
    ['PreferSameNode', inZone, { hints: { ...zone, ...node } }],
    ['PreferSameNode', { ...inZone, zone: undefined }, { hints: node }],
    ['PreferSameZone', { ...inZone, zone: undefined }, {}],
    ['PreferSameZone', { ...inZone, conditions: { ready: false, serving: true, terminating: true } }, {}],
  ];
  for (const [trafficDistribution, endpoint, expected] of rows)
    it(`${trafficDistribution}: ${JSON.stringify(expected)}`, () => {
      const service = { spec: { trafficDistribution } } as unknown as Service;
      assert.deepEqual(hintsFor(service, endpoint), expected);
    });
});
