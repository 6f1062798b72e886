import type { ServerResponse } from 'node:http';

/** A client that takes nothing of what waits for it for so long is gone, whatever its connection says. */
export const STALLED_MS = 30_000;

/** Drops the connection when nothing moves on it for `limitMs`; the returned function ends the watching. */
export function dropWhenStalled(out: ServerResponse, limitMs: number): () => void {
  const drop = () => out.destroy();
  out.setTimeout(limitMs);
  out.on('timeout', drop);
  return () => {
    out.off('timeout', drop);
    // After the end the socket's time is the server's again: how long it may idle.
    if (!out.destroyed && !out.writableFinished) out.setTimeout(0);
  };
}
