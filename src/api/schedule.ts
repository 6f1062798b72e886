import { Cron } from 'croner';

/** A cron schedule: five fields, `@hourly` and the like, or `@every 1h30m`; times in ms since the epoch. */
export interface Schedule {
  /** The first time after `time`; undefined when there is none. */
  next(time: number): number | undefined;
}

const EVERY = /^@every\s+(.+)$/;
const ZONE = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/;
const MACROS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
/** Letters that the expression library gives a meaning which schedules of Kubernetes do not have. */
const EXTENSIONS = /[LW#+]/;

/** Throws what is wrong with the text. `timeZone`: an IANA name; UTC when absent. */
export function parseSchedule(text: string, timeZone?: string): Schedule {
  const zoned = ZONE.exec(text.trim());
  if (zoned) return parseSchedule(zoned[2]!, zoned[1]);
  const every = EVERY.exec(text.trim());
  if (every) return interval(every[1]!);
  const fields = (MACROS[text.trim()] ?? text.trim()).replace(/\?/g, '*');
  if (fields.split(/\s+/).length !== 5)
    throw new Error(`expected exactly 5 fields, found ${fields.split(/\s+/).length}: [${text}]`);
  if (EXTENSIONS.test(fields.replace(/[A-Z]{3}/gi, ''))) throw new Error(`failed to parse int from: ${text}`);
  const cron = new Cron(
    fields.replace(/([A-Za-z]{3})/g, (name) => name.toUpperCase()),
    {
      paused: true,
      mode: '5-part',
      timezone: timeZone ?? 'UTC',
    },
  );
  return { next: (time) => cron.nextRun(new Date(time))?.getTime() };
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Counted from the time that is given, in whole seconds. */
function interval(text: string): Schedule {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  const whole = parts.map(([part]) => part).join('') === text;
  const ms = parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit!]!, 0);
  if (!whole || ms <= 0) throw new Error(`failed to parse duration @every ${text}`);
  const step = Math.max(1000, Math.floor(ms / 1000) * 1000);
  return { next: (time) => Math.floor(time / 1000) * 1000 + step };
}

/** What is wrong with a schedule; undefined when nothing is. */
export function scheduleError(text: string): string | undefined {
  try {
    parseSchedule(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** True for a name of the IANA time zone database; `Local` means whatever the server has, and is refused. */
export function isTimeZone(name: string): boolean {
  if (name === '' || /^local$/i.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
