import { notFound } from '../api/errors.ts';
import type { PathHandler } from './options.ts';
import type { ApiResponse } from './request.ts';
import { text } from './respond.ts';

/** One thing that must be well. */
export interface HealthCheck {
  readonly name: string;
  /** Endpoints that ask for it; all when left out. */
  readonly only?: readonly Endpoint[];
  healthy(): boolean;
}

export type Endpoint = 'healthz' | 'livez' | 'readyz';

/** `/healthz`, `/livez`, `/readyz` with `?verbose` and `?exclude=`, and each check below them by its name. */
export function createHealth(checks: readonly HealthCheck[]): PathHandler {
  return ({ method, path, query }) => {
    const found = /^\/(healthz|livez|readyz)(?:\/(.*?))?\/?$/.exec(path);
    if (!found || (method !== 'GET' && method !== 'HEAD')) return undefined;
    const endpoint = found[1] as Endpoint;
    const name = found[2] ?? '';
    const all = checks.filter(({ only }) => only?.includes(endpoint) ?? true);
    if (name === '') return answer(endpoint, all, query);
    const check = all.find((each) => each.name === name);
    if (!check) throw notFound({ group: '', plural: 'healthchecks' }, name);
    return check.healthy() ? text(200, 'ok') : text(500, `internal server error: ${name} is not healthy\n`);
  };
}

/** The reasons of failures are for the log, not for everyone. */
function answer(endpoint: Endpoint, checks: readonly HealthCheck[], query: URLSearchParams): ApiResponse {
  const excluded = query.getAll('exclude');
  const lines = checks.map((check) => {
    if (excluded.includes(check.name)) return { ok: true, line: `[+]${check.name} excluded: ok` };
    const ok = check.healthy();
    return { ok, line: ok ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld` };
  });
  const unknown = excluded.filter((name) => !checks.some((check) => check.name === name));
  const warning =
    unknown.length > 0
      ? [
          `warn: some health checks cannot be excluded: no matches for ${unknown.map((name) => JSON.stringify(name)).join(', ')}`,
        ]
      : [];
  const failed = lines.some(({ ok }) => !ok);
  if (!failed && query.get('verbose') === null) return text(200, 'ok');
  const verdict = `${endpoint} check ${failed ? 'failed' : 'passed'}`;
  return text(failed ? 500 : 200, `${[...lines.map(({ line }) => line), ...warning, verdict].join('\n')}\n`);
}
