import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Runtime } from './cri/runtime.ts';
import type { Container } from './cri/types.ts';
import { LABELS } from './sandbox-config.ts';

export interface LogRotationOptions {
  runtime: Pick<Runtime, 'listContainers' | 'reopenContainerLog'>;
  stateDir: string;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  maxBytes?: number;
  /** Files of one container, the current one among them. */
  maxFiles?: number;
}

const INTERVAL_MS = 10_000;
const MAX_BYTES = 10 * 1024 * 1024;
const MAX_FILES = 5;

/** Keeps the logs of containers within bounds. Ends when the signal aborts. */
export async function rotateLogs(options: LogRotationOptions): Promise<void> {
  const { clock, log, signal } = options;
  for (;;) {
    await sleep(clock, INTERVAL_MS, signal).catch(() => {});
    if (signal.aborted) return;
    await rotateOnce(options).catch((error: unknown) => log.warn('logs were not rotated', { error }));
  }
}

/** Moves every log that has grown too long aside, and lets the runtime begin a new one. */
export async function rotateOnce(options: LogRotationOptions): Promise<void> {
  const containers = await options.runtime.listContainers();
  for (const container of containers.filter(({ state }) => state === 'CONTAINER_RUNNING')) {
    const path = logPath(options.stateDir, container);
    const size = (await stat(path).catch(() => undefined))?.size ?? 0;
    if (size > (options.maxBytes ?? MAX_BYTES)) await rotate(path, container.id, options);
  }
}

function logPath(stateDir: string, { labels, metadata }: Container): string {
  const pod = [LABELS.podNamespace, LABELS.podName, LABELS.podUid].map((label) => labels[label]).join('_');
  return join(stateDir, 'logs', pod, metadata.name, `${metadata.attempt}.log`);
}

async function rotate(path: string, id: string, options: LogRotationOptions): Promise<void> {
  const aside = `${path}.${new Date(options.clock.now()).toISOString().replaceAll(/[-:.TZ]/g, '')}`;
  await rename(path, aside);
  try {
    await options.runtime.reopenContainerLog(id);
  } catch (error) {
    // Whoever still writes to the old file must find it under its name.
    await rename(aside, path);
    throw error;
  }
  const old = (await readdir(dirname(path))).filter((name) => name.startsWith(`${basename(path)}.`)).sort();
  const surplus = old.slice(0, Math.max(0, old.length + 1 - (options.maxFiles ?? MAX_FILES)));
  for (const name of surplus) await rm(join(dirname(path), name));
}
