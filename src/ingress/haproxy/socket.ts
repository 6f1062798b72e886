import { connect } from 'node:net';
import type { Clock } from '../../lib/clock.ts';

const ANSWER_BYTES_MAX = 8 * 2 ** 20;

export interface Question {
  /** Path of a Unix socket of HAProxy. */
  readonly socket: string;
  /** A line; lines of a payload after it. */
  readonly text: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** One command on a connection of its own. Rejects when there is no answer in time. */
export function ask({ socket, text, clock, timeoutMs }: Question): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    let answer = '';
    const cancel = clock.after(timeoutMs, () =>
      connection.destroy(new Error(`HAProxy did not answer in ${timeoutMs} ms`)),
    );
    connection.setEncoding('utf8').on('data', (part: string) => {
      answer += part;
      if (answer.length > ANSWER_BYTES_MAX) connection.destroy(new Error('HAProxy answered too much'));
    });
    connection.on('error', reject);
    connection.on('close', () => {
      cancel();
      resolve(answer);
    });
    connection.end(`${text}\n`);
  });
}
