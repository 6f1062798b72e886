import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { decode, encode } from 'dns-packet';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { namespaces } from '../api/kinds/namespace.ts';
import { services } from '../api/kinds/service.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeClock } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { askUdp, LOCALHOST, namespace, queryPacket, service, slice } from './dns.fixture.ts';
import { type DnsOptions, startDns } from './dns.ts';
import { formatResponse } from './zone-file.ts';

const WEB = 'web.default.svc.cluster.local';

async function startTestDns(t: TestContext, options: Partial<DnsOptions> = {}) {
  const informers = new PlainInformers();
  informers.of(namespaces).set(namespace('default'));
  informers.of(services).set(service('default/web', { clusterIP: '10.96.0.5', ports: [{ name: 'http', port: 80 }] }));
  informers.of(services).set(service('default/out', { type: 'ExternalName', externalName: 'www.example.com' }));
  informers.of(endpointSlices).set(slice('default/web-1', { service: 'web', endpoints: [{ address: '10.244.0.9' }] }));
  informers.markSynced();
  const clock = new FakeClock();
  const ending = new AbortController();
  t.after(() => ending.abort());
  const dns = await startDns({
    informers,
    listen: [{ address: LOCALHOST, port: 0 }],
    clock,
    random: () => 0,
    log: silentLogger,
    signal: ending.signal,
    ...options,
  });
  return { dns, clock, informers, ending, port: dns.addresses[0]!.port };
}

function framed(...packets: readonly Buffer[]): Buffer {
  return Buffer.concat(packets.flatMap((packet) => [Buffer.from([packet.length >> 8, packet.length & 255]), packet]));
}

/** Reads `count` messages of a connection. */
async function readFramed(socket: Socket, count: number): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  let buffered = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    buffered = Buffer.concat([buffered, chunk as Buffer]);
    while (buffered.length >= 2 && buffered.length >= 2 + buffered.readUInt16BE(0)) {
      messages.push(buffered.subarray(2, 2 + buffered.readUInt16BE(0)));
      buffered = buffered.subarray(2 + buffered.readUInt16BE(0));
    }
    if (messages.length >= count) break;
  }
  return messages;
}

async function openTcp(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, LOCALHOST);
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

test('startDns() answers the same on UDP and TCP', async (t) => {
  const { dns, port } = await startTestDns(t);
  assert.equal(dns.ready, true);
  const query = queryPacket(`A ${WEB}`);
  const udp = await askUdp(port, query);
  const socket = await openTcp(t, port);
  socket.write(framed(query));
  const [tcp] = await readFramed(socket, 1);
  assert.equal(formatResponse(udp), `NOERROR aa\n${WEB}. 5 IN A 10.96.0.5`);
  assert.deepEqual(tcp, udp);
  assert.deepEqual(dns.metrics.queries, { udp: 1, tcp: 1 });
});

test('a stock resolver reads the answers', async (t) => {
  const { port } = await startTestDns(t);
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([`${LOCALHOST}:${port}`]);
  assert.deepEqual(await resolver.resolve4(WEB), ['10.96.0.5']);
  assert.deepEqual(await resolver.reverse('10.96.0.5'), [WEB]);
  assert.deepEqual(await resolver.resolveCname('out.default.svc.cluster.local'), ['www.example.com']);
  const [srv] = await resolver.resolveSrv(`_http._tcp.${WEB}`);
  assert.deepEqual([srv?.name, srv?.port], [WEB, 80]);
  await assert.rejects(resolver.resolve6(WEB), { code: 'ENODATA' });
  await assert.rejects(resolver.resolve4('nobody.default.svc.cluster.local'), { code: 'ENOTFOUND' });
  await assert.rejects(resolver.resolve4('www.example.com'), { code: 'EREFUSED' });
});

test('a connection carries many queries, in pieces or at once', async (t) => {
  const { port } = await startTestDns(t);
  const socket = await openTcp(t, port);
  const ids = Array.from({ length: 50 }, (_, id) => id);
  const octets = framed(...ids.map((id) => queryPacket(`A ${WEB}`, { id })));
  for (let at = 0; at < octets.length; at += 37) socket.write(octets.subarray(at, at + 37));
  const answered = (await readFramed(socket, ids.length)).map((response) => response.readUInt16BE(0));
  assert.deepEqual(answered, ids);
});

test('a client that ends its side still gets its answers', async (t) => {
  const { port } = await startTestDns(t);
  const socket = await openTcp(t, port);
  socket.end(framed(queryPacket(`A ${WEB}`), queryPacket('A nobody.default.svc.cluster.local')));
  assert.equal((await readFramed(socket, 3)).length, 2);
});

test('an idle connection is closed, and so is one that talks no DNS', async (t) => {
  const { port, clock, dns } = await startTestDns(t);
  const idle = await openTcp(t, port);
  idle.write(framed(queryPacket(`A ${WEB}`)));
  await readFramed(idle, 1);
  clock.advance(9_000);
  assert.equal(dns.metrics.tcpConnections.open, 1);
  clock.advance(1_000);
  await once(idle.resume(), 'close');
  const stranger = await openTcp(t, port);
  stranger.write(framed(Buffer.alloc(5)));
  await once(stranger.resume(), 'close');
  assert.equal(clock.pending, 0);
});

test('connections beyond the limit are refused', async (t) => {
  const { port, dns } = await startTestDns(t, { limits: { tcpConnections: 1 } });
  const first = await openTcp(t, port);
  first.write(framed(queryPacket(`A ${WEB}`)));
  await readFramed(first, 1);
  const second = connect(port, LOCALHOST);
  second.on('error', () => {});
  await once(second.resume(), 'close');
  assert.deepEqual(dns.metrics.tcpConnections, { open: 1, accepted: 1, refused: 1 });
});

test('startDns() closes everything when its signal aborts', async (t) => {
  const { port, ending, clock } = await startTestDns(t);
  const socket = await openTcp(t, port);
  socket.write(framed(queryPacket(`A ${WEB}`)));
  await readFramed(socket, 1);
  ending.abort();
  await once(socket.resume(), 'close');
  assert.equal(clock.pending, 0);
  const again = connect(port, LOCALHOST);
  const [error] = await once(again, 'error');
  assert.equal(error.code, 'ECONNREFUSED');
});

test('startDns() rejects when an address is taken and leaves nothing open', async (t) => {
  const { port } = await startTestDns(t);
  const listen = [
    { address: LOCALHOST, port: 0 },
    { address: LOCALHOST, port },
  ];
  await assert.rejects(startTestDns(t, { listen }), { code: 'EADDRINUSE' });
});

/** An upstream on UDP and TCP that knows www.example.com; `edit` may damage what it sends. */
async function startUpstream(t: TestContext, edit: (response: Buffer) => Buffer | undefined = (response) => response) {
  const asked: string[] = [];
  const respond = (packet: Buffer): Buffer | undefined => {
    const { id = 0, questions = [] } = decode(packet);
    asked.push(`${questions[0]?.type} ${questions[0]?.name}`);
    const answers = [{ type: 'A', name: 'www.example.com', ttl: 60, data: '192.0.2.53' }] as const;
    return edit(encode({ type: 'response', id, flags: 0x0180, questions, answers: [...answers] }));
  };
  const tcp = createServer((socket) => {
    socket.on('data', (chunk) => {
      const response = respond(chunk.subarray(2));
      if (response) socket.write(framed(response));
      else socket.destroy();
    });
  });
  tcp.listen(0, LOCALHOST);
  await once(tcp, 'listening');
  const { port } = tcp.address() as { port: number };
  const udp = createSocket('udp4');
  udp.on('message', (packet, from) => {
    const response = respond(packet);
    if (response) udp.send(response, from.port, from.address);
  });
  udp.bind(port, LOCALHOST);
  await once(udp, 'listening');
  t.after(() => {
    udp.close();
    tcp.close();
  });
  return { upstream: `${LOCALHOST}:${port}`, asked };
}

test('other zones go to upstreams when there are any', async (t) => {
  const { upstream, asked } = await startUpstream(t);
  const { port, dns } = await startTestDns(t, { upstreams: [upstream] });
  const query = queryPacket('A www.example.com', { id: 77 });
  const udp = await askUdp(port, query);
  const socket = await openTcp(t, port);
  socket.write(framed(query));
  const [tcp] = await readFramed(socket, 1);
  for (const response of [udp, tcp!]) {
    assert.equal(response.readUInt16BE(0), 77);
    assert.equal(formatResponse(response), 'NOERROR ra\nwww.example.com. 60 IN A 192.0.2.53');
  }
  await askUdp(port, queryPacket(`A ${WEB}`));
  await askUdp(port, queryPacket('A nobody.default.svc.cluster.local'));
  assert.deepEqual(asked, ['A www.example.com', 'A www.example.com']);
  assert.equal(dns.metrics.forwarded, 2);
});

test('an alias that leaves the cluster is followed through the upstream', async (t) => {
  const { upstream } = await startUpstream(t);
  const { port } = await startTestDns(t, { upstreams: [upstream] });
  assert.equal(
    formatResponse(await askUdp(port, queryPacket('A out.default.svc.cluster.local'))),
    `NOERROR aa ra
out.default.svc.cluster.local. 5 IN CNAME www.example.com.
www.example.com. 60 IN A 192.0.2.53`,
  );
});

test('the next upstream is asked when one answers another question or with damage; then SERVFAIL', async (t) => {
  const wrong = await startUpstream(t, (response) => response.fill('x', 13, 15));
  const silent = await startUpstream(t, () => undefined);
  const good = await startUpstream(t);
  const rows = [
    [[wrong.upstream, silent.upstream, good.upstream], 'NOERROR'],
    [[wrong.upstream], 'SERVFAIL'],
  ] as const;
  for (const [upstreams, code] of rows) {
    const { port } = await startTestDns(t, { upstreams });
    const socket = await openTcp(t, port);
    socket.write(framed(queryPacket('A www.example.com')));
    const [response] = await readFramed(socket, 1);
    assert.equal(formatResponse(response!).split(/\s/)[0], code);
  }
});

test('an upstream that stays silent costs its time-out, not the server', async (t) => {
  const silent = await startUpstream(t, () => undefined);
  const limits = { upstreamPending: 1 };
  const { port, clock, dns } = await startTestDns(t, { upstreams: [silent.upstream], limits });
  const code = (response: Buffer) => formatResponse(response).split(/\s/)[0];
  const waiting = askUdp(port, queryPacket('A www.example.com'));
  while (silent.asked.length === 0) await new Promise(setImmediate);
  assert.equal(code(await askUdp(port, queryPacket('A www.example.org'))), 'SERVFAIL');
  assert.equal(code(await askUdp(port, queryPacket(`A ${WEB}`))), 'NOERROR');
  assert.deepEqual(silent.asked, ['A www.example.com']);
  clock.advance(2_000);
  assert.equal(code(await waiting), 'SERVFAIL');
  assert.deepEqual([dns.metrics.forwardFailures, clock.pending], [2, 0]);
});

test('startDns() refuses an upstream that is no address', async (t) => {
  for (const upstream of ['dns.example.com', '1.2.3.4:0', '1.2.3.4:port', '[::1'])
    await assert.rejects(startTestDns(t, { upstreams: [upstream] }), RangeError);
});
