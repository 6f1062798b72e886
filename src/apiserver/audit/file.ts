import { createWriteStream } from 'node:fs';
import type { Logger } from '../../lib/log.ts';

/** Bytes that may wait for the disk; what comes on top is lost, and told. */
const BACKLOG_BYTES = 16 * 1024 * 1024;

export interface LineWriter {
  write(line: string): void;
  /** Resolves when everything is in the file. */
  close(): Promise<void>;
}

/** Appends lines to a file that only its owner may read. */
export function openLineFile(path: string, log: Logger): LineWriter {
  const stream = createWriteStream(path, { flags: 'a', mode: 0o600 });
  let lost = 0;
  stream.on('error', (error) => log.error('audit log failed', { path, error: error.message }));
  return {
    write(line) {
      if (stream.writableLength > BACKLOG_BYTES) {
        if (lost++ === 0) log.error('audit log is behind: events are lost', { path });
        return;
      }
      if (lost > 0) log.warn('audit log goes on', { path, lost });
      lost = 0;
      stream.write(`${line}\n`);
    },
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}
