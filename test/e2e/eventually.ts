import { CommandError, run } from '../../src/host/exec.ts';
import { netnsPath } from '../../src/host/netns.ts';
import { sleep, systemClock } from '../../src/lib/clock.ts';

const PATIENCE_MS = 30_000;
const POLL_MS = 50;

/** Asks until `look` answers something, for at most half a minute. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = systemClock.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (systemClock.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`);
    await sleep(systemClock, POLL_MS);
  }
}

/** What a URL answers in a network namespace; undefined while nobody answers. */
export async function curlFrom(netns: string, url: string): Promise<string | undefined> {
  try {
    return (await run(['nsenter', `--net=${netnsPath(netns)}`, '--', 'curl', '-sS', '-m', '1', url])).stdout;
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}
