import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from 'dns-packet';
import fc from 'fast-check';
import { createFixture, namespace, queryPacket, service, slice } from './dns.fixture.ts';

const SEED = 20_260_105;

async function someCluster() {
  const fixture = createFixture();
  const endpoints = Array.from({ length: 90 }, (_, i) => ({ address: `10.244.0.${i}`, hostname: `pet-${i}` }));
  await fixture.apply(
    namespace('default'),
    service('default/web', { clusterIP: '10.96.0.5', ports: [{ name: 'http', port: 80 }] }),
    service('default/alias', { type: 'ExternalName', externalName: 'pets.default.svc.cluster.local' }),
    service('default/pets', { clusterIP: 'None' }),
    slice('default/pets-1', { service: 'pets', endpoints, ports: [{ name: 'db', port: 5432 }] }),
  );
  return fixture;
}

const questions = [
  'A web.default.svc.cluster.local',
  'SRV _http._tcp.web.default.svc.cluster.local',
  'SRV pets.default.svc.cluster.local',
  'A alias.default.svc.cluster.local',
  'A 1-2-3-4.default.pod.cluster.local',
  'PTR 5.0.96.10.in-addr.arpa',
  'A www.example.com',
];

interface Mutation {
  readonly at: number;
  readonly octet: number;
}

/** A good query with some octets overwritten, then cut or lengthened. */
const damagedQueries = fc
  .record({
    question: fc.constantFrom(...questions),
    udpOctets: fc.option(fc.nat(65_535), { nil: undefined }),
    mutations: fc.array(fc.record({ at: fc.nat(120), octet: fc.nat(255) }), { maxLength: 6 }),
    length: fc.option(fc.nat(160), { nil: undefined }),
    tail: fc.uint8Array({ maxLength: 40 }),
  })
  .map(({ question, udpOctets, mutations, length, tail }) => {
    const packet = queryPacket(question, udpOctets === undefined ? {} : { udpOctets });
    for (const { at, octet } of mutations as Mutation[]) if (at < packet.length) packet[at] = octet;
    return Buffer.concat([packet.subarray(0, length ?? packet.length), tail]);
  });

/** What every response owes its query, however damaged that was. */
function checkResponse(packet: Buffer, response: Buffer | undefined, most: number): void {
  const isQuery = packet.length >= 12 && (packet[2]! & 0x80) === 0;
  assert.equal(response !== undefined, isQuery);
  if (!response) return;
  assert.ok(response.length <= most, `${response.length} octets`);
  assert.equal(response.readUInt16BE(0), packet.readUInt16BE(0));
  assert.ok(response[2]! & 0x80);
  const { questions: asked = [] } = decode(response);
  assert.ok(asked.length <= 1);
  if (asked.length === 1) assert.deepEqual(response.subarray(12, 16), packet.subarray(12, 16));
}

for (const [title, packets] of [
  ['any octets', fc.uint8Array({ maxLength: 600 }).map((octets) => Buffer.from(octets))],
  ['damaged queries', damagedQueries],
] as const) {
  test(`Responder never throws and always answers in form: ${title}`, async () => {
    const { responder } = await someCluster();
    const property = fc.property(packets, fc.constantFrom('udp', 'tcp'), (packet, proto) => {
      const before = Buffer.from(packet);
      const response = responder.respond(packet, proto) as Buffer | undefined;
      assert.deepEqual(packet, before);
      checkResponse(packet, response, proto === 'udp' ? 1232 : 65_535);
    });
    fc.assert(property, { seed: SEED, numRuns: 3000 });
  });
}
