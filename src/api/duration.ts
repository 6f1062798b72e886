const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** A duration in kubectl's short form: `45s`, `3m20s`, `5h12m`, `2d3h`, `1y30d`. */
export function humanDuration(durationMs: number): string {
  if (durationMs < -SECOND) return '<invalid>';
  if (durationMs < 0) return '0s';
  const seconds = Math.floor(durationMs / SECOND);
  if (seconds < 120) return `${seconds}s`;
  if (durationMs < 10 * MINUTE) return twoUnits(durationMs, { big: MINUTE, small: SECOND, names: 'ms' });
  if (durationMs < 3 * HOUR) return `${Math.floor(durationMs / MINUTE)}m`;
  if (durationMs < 8 * HOUR) return twoUnits(durationMs, { big: HOUR, small: MINUTE, names: 'hm' });
  if (durationMs < 2 * DAY) return `${Math.floor(durationMs / HOUR)}h`;
  if (durationMs < 8 * DAY) return twoUnits(durationMs, { big: DAY, small: HOUR, names: 'dh' });
  if (durationMs < 2 * YEAR) return `${Math.floor(durationMs / DAY)}d`;
  if (durationMs < 8 * YEAR) return twoUnits(durationMs, { big: YEAR, small: DAY, names: 'yd' });
  return `${Math.floor(durationMs / YEAR)}y`;
}

function twoUnits(durationMs: number, units: { big: number; small: number; names: string }): string {
  const whole = Math.floor(durationMs / units.big);
  const rest = Math.floor((durationMs % units.big) / units.small);
  return rest === 0 ? `${whole}${units.names[0]}` : `${whole}${units.names[0]}${rest}${units.names[1]}`;
}

/** Time since an RFC 3339 time, as AGE columns show it. */
export function age(time: string | undefined, now: number): string {
  return time ? humanDuration(now - Date.parse(time)) : '<unknown>';
}
