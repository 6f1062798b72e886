import { ApiError } from '../../api/errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { MASTERS } from '../auth/names.ts';
import { type Filter, isLongRunning, whenSent } from '../filter.ts';
import type { RequestKind } from '../metrics/metrics.ts';
import { errorResponse } from '../respond.ts';
import { FairQueue } from './fair-queue.ts';

export interface LimiterOptions {
  clock: Clock;
  /** Requests that are worked on at once; those of `system:masters` and long-running ones do not count. */
  readOnly: number;
  mutating: number;
  /** Requests of one user that may wait. */
  queueLength: number;
  /** How long one may wait. */
  waitMs: number;
  onDropped?: (kind: RequestKind) => void;
  onInFlight?: (kind: RequestKind, count: number) => void;
}

const READING = ['get', 'list', 'watch', 'head', 'options'];

/** Bounds the requests that are worked on; what is beyond waits in a queue of its user, then gets 429. */
export function createLimiter(options: LimiterOptions): Filter {
  const { clock, waitMs, queueLength } = options;
  const queue = (kind: RequestKind) => {
    const onChange = (count: number) => options.onInFlight?.(kind, count);
    return new FairQueue({ clock, waitMs, queueLength, limit: options[kind], onChange });
  };
  const queues = { readOnly: queue('readOnly'), mutating: queue('mutating') };
  return async (request, info, next) => {
    if (request.user.groups.includes(MASTERS) || isLongRunning(info)) return next(request);
    const kind = READING.includes(info.attributes.verb) ? 'readOnly' : 'mutating';
    const release = await queues[kind].enter(request.user.username, request.signal);
    if (!release) {
      options.onDropped?.(kind);
      return tooMany();
    }
    return whenSent(await next(request), { done: release, signal: request.signal });
  };
}

function tooMany() {
  const message = 'Too many requests, please try again later.';
  return errorResponse(new ApiError('TooManyRequests', message, { retryAfterSeconds: 1 }), () => {});
}
