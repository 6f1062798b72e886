import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';

/** An entry of a ZIP archive, from its central directory (PKWARE APPNOTE 6.3, sections 4.3.12 and 4.3.16). */
interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly headerOffset: number;
}

const END_SIGNATURE = 0x06054b50;
const END_LENGTH = 22;
const COMMENT_MAX = 65535;
const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_LENGTH = 46;
const HEADER_LENGTH = 30;
const STORED = 0;
const DEFLATED = 8;

/** Content of one file of an archive below 4 GiB. Throws when the archive has no such file or is damaged. */
export function readZipEntry(archive: string, name: string): Buffer {
  const fd = openSync(archive, 'r');
  try {
    const entry = readDirectory(fd).find((candidate) => candidate.name === name);
    if (!entry) throw new Error(`read ${archive}: expected an entry ${name}`);
    const content = readEntry(fd, entry);
    if (content.length !== entry.size) throw new Error(`read ${archive}: entry ${name} is damaged`);
    return content;
  } finally {
    closeSync(fd);
  }
}

function readDirectory(fd: number): ZipEntry[] {
  const size = fstatSync(fd).size;
  const tailLength = Math.min(size, END_LENGTH + COMMENT_MAX);
  const tail = readAt(fd, size - tailLength, tailLength);
  let end = tail.length - END_LENGTH;
  while (end >= 0 && tail.readUInt32LE(end) !== END_SIGNATURE) end--;
  if (end < 0) throw new Error('not a ZIP archive');
  const directory = readAt(fd, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
  return parseDirectory(directory);
}

function parseDirectory(directory: Buffer): ZipEntry[] {
  const entries: ZipEntry[] = [];
  let at = 0;
  while (at + ENTRY_LENGTH <= directory.length && directory.readUInt32LE(at) === ENTRY_SIGNATURE) {
    const nameLength = directory.readUInt16LE(at + 28);
    entries.push({
      name: directory.toString('utf8', at + ENTRY_LENGTH, at + ENTRY_LENGTH + nameLength),
      method: directory.readUInt16LE(at + 10),
      compressedSize: directory.readUInt32LE(at + 20),
      size: directory.readUInt32LE(at + 24),
      headerOffset: directory.readUInt32LE(at + 42),
    });
    at += ENTRY_LENGTH + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

function readEntry(fd: number, entry: ZipEntry): Buffer {
  const header = readAt(fd, entry.headerOffset, HEADER_LENGTH);
  const start = entry.headerOffset + HEADER_LENGTH + header.readUInt16LE(26) + header.readUInt16LE(28);
  const data = readAt(fd, start, entry.compressedSize);
  if (entry.method === STORED) return data;
  if (entry.method === DEFLATED) return inflateRawSync(data);
  throw new Error(`ZIP entry ${entry.name}: compression method ${entry.method} is not supported`);
}

function readAt(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  const read = readSync(fd, buffer, 0, length, position);
  return buffer.subarray(0, read);
}
