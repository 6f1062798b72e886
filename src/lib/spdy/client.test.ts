import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import { SpdyClient } from './client.ts';
import { SpdyConnection, type SpdyStream } from './connection.ts';

function connect(onStream: (stream: SpdyStream) => void) {
  const [near, far] = duplexPair();
  const server = new SpdyConnection({ transport: far, onStream, onClose: () => {} });
  return { client: new SpdyClient({ transport: near }), server, far };
}

async function textOf(stream: SpdyStream): Promise<string> {
  let text = '';
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) text += chunk;
  return text;
}

describe('SpdyClient', () => {
  it('opens many streams at once, each with its own headers', async () => {
    const { client, server } = connect((stream) => stream.end(stream.headers['streamtype']));
    const types = ['error', 'stdin', 'stdout', 'stderr', 'resize'];
    const streams = await Promise.all(types.map((streamtype) => client.open({ streamtype })));
    assert.deepEqual(await Promise.all(streams.map(textOf)), types);
    client.close();
    server.end();
  });

  it('closes one direction of a stream and goes on reading the other', async () => {
    const { client, server } = connect((stream) => void textOf(stream).then((text) => stream.end(text.toUpperCase())));
    const stream = await client.open({});
    stream.end('x'.repeat(100_000));
    assert.equal(await textOf(stream), 'X'.repeat(100_000));
    client.close();
    server.end();
  });

  it('still reads what was said before the server reset the stream and hung up', async () => {
    const { client, server } = connect((stream) => {
      stream.write('last words', () => {
        stream.destroy();
        server.end();
      });
    });
    const stream = await client.open({});
    assert.equal(await textOf(stream), 'last words');
    client.close();
  });

  it('refuses streams when the connection is over', async () => {
    const { client, far } = connect(() => {});
    far.destroy();
    await assert.rejects(client.open({}), /the stream was refused/);
    await assert.rejects(client.open({}), /the stream was refused/);
  });
});
