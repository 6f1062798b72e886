import type { Schedule } from '../../api/schedule.ts';

export interface Missed {
  /** The latest time at or before now. */
  readonly latest: number;
  /** How many there were; an estimate when there were many. */
  readonly count: number;
}

/** Times of a schedule after `from` up to `now`, in ms since the epoch; undefined when there is none. */
export function missedTimes(schedule: Schedule, from: number, now: number): Missed | undefined {
  const first = schedule.next(from);
  if (first === undefined || first > now) return undefined;
  const second = schedule.next(first);
  if (second === undefined || second > now) return { latest: first, count: 1 };
  const step = second - first;
  const count = Math.floor((now - first) / step) + 1;
  // Nobody waits for a walk through every minute of a year: look near the end, further back until there is one.
  for (let window = step * 2; ; window *= 2) {
    const begin = Math.max(first - 1, now - window);
    const latest = lastIn(schedule, begin, now);
    if (latest !== undefined) return { latest, count };
    if (begin === first - 1) return { latest: first, count };
  }
}

function lastIn(schedule: Schedule, begin: number, now: number): number | undefined {
  let latest: number | undefined;
  for (let at = schedule.next(begin); at !== undefined && at <= now; at = schedule.next(at)) latest = at;
  return latest;
}
