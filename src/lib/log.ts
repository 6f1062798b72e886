/** Structured log: a constant message and fields. */
export interface Logger {
  info(message: string, fields?: LogFields): void;
  /** Something failed and is retried, or a user's input is at fault. */
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose lines all carry `fields`. */
  with(fields: LogFields): Logger;
}

export type LogFields = Readonly<Record<string, unknown>>;

export interface LoggerOptions {
  /** Receives one line, without its line end. */
  write: (line: string) => void;
  now: () => number;
  fields?: LogFields;
}

/** Lines in logfmt: `time=… level=info msg="…" key=value`. */
export function createLogger(options: LoggerOptions): Logger {
  const line = (level: string, message: string, fields?: LogFields) => {
    const time = new Date(options.now()).toISOString();
    options.write(logfmt({ time, level, msg: message, ...options.fields, ...fields }));
  };
  return {
    info: (message, fields) => line('info', message, fields),
    warn: (message, fields) => line('warn', message, fields),
    error: (message, fields) => line('error', message, fields),
    with: (fields) => createLogger({ ...options, fields: { ...options.fields, ...fields } }),
  };
}

export const silentLogger: Logger = {
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => silentLogger,
};

function logfmt(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join(' ');
}

function quote(value: unknown): string {
  const text = value instanceof Error ? value.message : typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w./:@,+-]+$/.test(text) ? text : JSON.stringify(text);
}
