import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { encode } from 'dns-packet';
import { answerMessages, quantile } from './lib.ts';

/** A client that keeps a fixed number of queries under way, each sent when an answer to one before it has come. */
interface Load {
  port: number;
  names: readonly string[];
  underWay: number;
  durationMs: number;
}

const LOST_AFTER_MS = 1000;

async function run({ port, names, underWay, durationMs }: Load) {
  const packets = names.map((name) => encode({ type: 'query', flags: 0x0100, questions: [{ type: 'A', name }] }));
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const sentAt = new Float64Array(65_536);
  const samples: number[] = [];
  let next = 0;
  let failures = 0;
  const send = () => {
    const packet = packets[next % packets.length]!;
    const id = next++ & 0xffff;
    packet.writeUInt16BE(id, 0);
    sentAt[id] = performance.now();
    socket.send(packet);
  };
  const start = performance.now();
  const ended = new Promise<void>((resolve) => {
    socket.on('message', (response) => {
      const now = performance.now();
      samples.push(now - sentAt[response.readUInt16BE(0)]!);
      if ((response[3]! & 15) !== 0 || response.readUInt16BE(6) === 0) failures++;
      if (now - start < durationMs) send();
      else resolve();
    });
  });
  for (let i = 0; i < underWay; i++) send();
  const timer = setTimeout(() => socket.emit('error', new Error('No answers')), durationMs + LOST_AFTER_MS);
  await ended;
  clearTimeout(timer);
  const seconds = (performance.now() - start) / 1000;
  socket.close();
  return {
    perSecond: samples.length / seconds,
    p50Ms: quantile(samples, 0.5),
    p99Ms: quantile(samples, 0.99),
    failures,
    count: samples.length,
  };
}

answerMessages((load: Load) => run(load));
