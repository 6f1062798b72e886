import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { withLock } from '../lock.ts';

export interface ImagesLockOptions {
  /** The image cache. */
  readonly directory: string;
  readonly ownPid: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Runs `work` while no other process builds images or begins nodes with them: those wait. */
export function withImagesLock<T>(options: ImagesLockOptions, work: () => Promise<T>): Promise<T> {
  const { directory, ownPid, clock, signal } = options;
  const busy = 'images are being built';
  return withLock({ file: join(directory, 'lock'), ownPid, busy, wait: { clock, signal } }, work);
}
