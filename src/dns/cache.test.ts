import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, type Packet } from 'dns-packet';
import { FakeClock } from '../testing/clock.ts';
import { cached } from './cache.ts';
import { queryPacket } from './dns.fixture.ts';
import { readQuery } from './message.ts';
import { createDnsMetrics } from './metrics.ts';
import type { Ask } from './responder.ts';

type Answered = Partial<Packet> & { rcode?: number };

const address = (ttl: number, data = '192.0.2.1') => ({ type: 'A', name: 'www.example.com', ttl, data }) as const;
const soa = (ttl: number, minimum: number) => {
  const data = { mname: 'ns.example.com', rname: 'admin.example.com', serial: 1, minimum };
  return { type: 'SOA', name: 'example.com', ttl, data } as const;
};

/** A cache before an upstream that answers what is put into `answers`, one after the other; undefined: nothing in time. */
function createCache(answers: (Answered | undefined)[]) {
  const clock = new FakeClock();
  const metrics = createDnsMetrics();
  let asked = 0;
  const ask: Ask = async (query) => {
    const answer = answers[Math.min(asked++, answers.length - 1)];
    if (!answer) return undefined;
    const { rcode = 0, ...rest } = answer;
    const questions = decode(query.packet).questions;
    return encode({
      type: 'response',
      id: query.packet.readUInt16BE(0),
      flags: 0x0080 | rcode,
      questions,
      ...rest,
    } as Packet);
  };
  const cache = cached(ask, { clock, metrics, entriesMax: 2 });
  const lookUp = async (question = 'A www.example.com', options: { id?: number } = {}) => {
    const response = await cache(readQuery(queryPacket(question, options))!, 'udp');
    if (!response) return undefined;
    const { id, answers: records = [], questions = [] } = decode(response);
    return {
      id,
      rcode: response[3]! & 15,
      name: questions[0]?.name,
      ttls: records.map((one) => (one as { ttl?: number }).ttl),
    };
  };
  return { clock, metrics, lookUp, asked: () => asked };
}

test('an answer is kept as long as its shortest record, and ages', async () => {
  const { clock, lookUp, asked, metrics } = createCache([{ answers: [address(60), address(20, '192.0.2.2')] }]);
  assert.deepEqual((await lookUp())?.ttls, [60, 20]);
  clock.advance(15_000);
  assert.deepEqual((await lookUp())?.ttls, [45, 5]);
  assert.equal(asked(), 1);
  clock.advance(5000);
  assert.deepEqual((await lookUp())?.ttls, [60, 20]);
  assert.equal(asked(), 2);
  assert.deepEqual([metrics.cacheHits, metrics.cacheMisses], [1, 2]);
});

test('every answer has the id and the letters of its question', async () => {
  const { lookUp, asked } = createCache([{ answers: [address(60)] }]);
  await lookUp('A www.example.com', { id: 1 });
  const second = await lookUp('A WWW.Example.com', { id: 2 });
  assert.deepEqual([second?.id, second?.name, asked()], [2, 'WWW.Example.com', 1]);
});

test('absence is kept as long as the SOA record allows', async () => {
  const rows: [about: string, answer: Answered, keptSeconds: number][] = [
    ['no name', { rcode: 3, authorities: [soa(100, 30)] }, 30],
    ['no data', { authorities: [soa(20, 900)] }, 20],
    ['never longer than five minutes', { rcode: 3, authorities: [soa(86_400, 86_400)] }, 300],
    ['without an SOA record not at all', { rcode: 3 }, 0],
    ['failures not at all', { rcode: 2, authorities: [soa(100, 30)] }, 0],
  ];
  for (const [about, answer, keptSeconds] of rows) {
    const { clock, lookUp, asked } = createCache([answer]);
    await lookUp();
    clock.advance(Math.max(0, keptSeconds * 1000 - 1));
    assert.equal((await lookUp())?.rcode, answer.rcode ?? 0, about);
    assert.equal(asked(), keptSeconds > 0 ? 1 : 2, about);
    clock.advance(1);
    const before = asked();
    await lookUp();
    assert.equal(asked(), before + 1, about);
  }
});

test('when upstreams are silent or fail, an old answer serves for a day', async () => {
  for (const failure of [undefined, { rcode: 2 }]) {
    const { clock, lookUp, metrics } = createCache([{ answers: [address(10)] }, failure]);
    await lookUp();
    clock.advance(3_600_000);
    assert.deepEqual((await lookUp())?.ttls, [30]);
    assert.equal(metrics.cacheStale, 1);
    clock.advance(86_400_000);
    assert.equal((await lookUp())?.rcode, failure?.rcode);
  }
});

test('many who ask the same at once are one question; another type is another one', async () => {
  const { lookUp, asked } = createCache([{ answers: [address(60)] }]);
  await Promise.all([lookUp(), lookUp(), lookUp()]);
  assert.equal(asked(), 1);
  await lookUp('AAAA www.example.com');
  assert.equal(asked(), 2);
});

test('what was not used for longest goes first', async () => {
  const { lookUp, asked } = createCache([{ answers: [address(60)] }]);
  for (const name of ['a', 'b', 'a', 'c', 'a']) await lookUp(`A ${name}.example.com`);
  assert.equal(asked(), 3);
  await lookUp('A b.example.com');
  assert.equal(asked(), 4);
});
