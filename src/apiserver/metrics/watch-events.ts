/** Events in a piece of a watch: lines of JSON, or protobuf messages that each follow their length in four octets. */
export function countEvents(chunk: Uint8Array | string): number {
  return typeof chunk === 'string' ? countByte(Buffer.from(chunk), NEWLINE) : countBytes(chunk);
}

const NEWLINE = 10;
const BRACE = 123;

function countBytes(chunk: Uint8Array): number {
  return chunk[0] === BRACE ? countByte(chunk, NEWLINE) : countFrames(chunk);
}

function countByte(bytes: Uint8Array, wanted: number): number {
  let count = 0;
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) count++;
  return count;
}

function countFrames(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let count = 0;
  for (let at = 0; at + 4 <= bytes.length; at += 4 + view.getUint32(at)) count++;
  return count;
}
