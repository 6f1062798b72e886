import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';
import { readZipEntry } from './zip.ts';

const directory = mkdtempSync(join(tmpdir(), 'sampan-zip-'));
after(() => rmSync(directory, { recursive: true }));

/** A ZIP archive with the given files, those of `stored` uncompressed. */
function zip(files: Record<string, string>, stored: readonly string[] = [], comment = ''): Buffer {
  const parts: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const method = stored.includes(name) ? 0 : 8;
    const data = method === 0 ? Buffer.from(text) : deflateRawSync(text);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(method, 4);
    shared.writeUInt32LE(crc32(text), 10);
    shared.writeUInt32LE(data.length, 14);
    shared.writeUInt32LE(Buffer.byteLength(text), 18);
    shared.writeUInt16LE(name.length, 22);
    const header = Buffer.concat([Buffer.from('PK\x03\x04'), shared, Buffer.from(name), data]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    entries.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), shared, rest, Buffer.from(name)]));
    parts.push(header);
    offset += header.length;
  }
  const central = Buffer.concat(entries);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  end.writeUInt16LE(comment.length, 16);
  return Buffer.concat([...parts, central, Buffer.from('PK\x05\x06'), end, Buffer.from(comment)]);
}

function archive(content: Buffer): string {
  const path = join(directory, 'a.zip');
  writeFileSync(path, content);
  return path;
}

test('readZipEntry() reads compressed and stored files', () => {
  const text = 'hello '.repeat(1000);
  const path = archive(zip({ 'a/b': text, c: 'stored' }, ['c'], 'a comment'));
  assert.equal(readZipEntry(path, 'a/b').toString(), text);
  assert.equal(readZipEntry(path, 'c').toString(), 'stored');
});

test('readZipEntry() refuses what is not there', () => {
  assert.throws(() => readZipEntry(archive(zip({ a: 'x' })), 'b'), /expected an entry b/);
  assert.throws(
    () => readZipEntry(archive(Buffer.from('no archive at all, but long enough')), 'b'),
    /not a ZIP archive/,
  );
  assert.throws(() => readZipEntry(archive(Buffer.alloc(0)), 'b'), /not a ZIP archive/);
});
