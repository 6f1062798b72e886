import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from '../lib/log.ts';
import type { HealthAnswer, ProxyHealth } from './health.ts';
import type { ProxyMetrics } from './metrics.ts';

/** Where kube-proxy answers. */
export const HEALTH_PORT = 10_256;
export const METRICS_PORT = 10_249;

export interface ServeOptions {
  health: ProxyHealth;
  metrics: ProxyMetrics;
  /** Name of the mode that the rules are in. */
  mode: () => string;
  /** Where health is asked for, by load balancers too. */
  healthAt: { readonly port: number; readonly address?: string };
  /** Where metrics and the mode are asked for, by who is on this node. */
  metricsAt: { readonly port: number; readonly address: string };
  log: Logger;
  signal: AbortSignal;
}

type Handler = (response: ServerResponse) => void | Promise<void>;

/** Health and metrics over HTTP, until the signal aborts. A port that is taken is told, and the proxy goes on without. */
export function serveProxy(options: ServeOptions): { readonly servers: readonly Server[] } {
  const { health, metrics, mode } = options;
  const answer = (path: 'healthz' | 'livez', look: () => HealthAnswer): Handler => {
    return (response) => {
      const { code, body } = look();
      metrics.answered(path, code);
      const headers = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' };
      response.writeHead(code, headers).end(body);
    };
  };
  const plain = (text: () => string): Handler => {
    return (response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end(text());
  };
  const healthPaths = {
    '/healthz': answer('healthz', () => health.ready()),
    '/livez': answer('livez', () => health.live()),
  };
  const metricsPaths = {
    '/metrics': async (response: ServerResponse) =>
      void response.writeHead(200, { 'content-type': metrics.contentType }).end(await metrics.render()),
    '/proxyMode': plain(mode),
    '/healthz': plain(() => 'ok'),
    '/livez': plain(() => 'ok'),
  };
  return {
    servers: [
      listen(healthPaths, { ...options, ...options.healthAt }),
      listen(metricsPaths, { ...options, ...options.metricsAt }),
    ],
  };
}

function listen(
  paths: Readonly<Record<string, Handler>>,
  { port, address, log, signal }: { port: number; address?: string } & Pick<ServeOptions, 'log' | 'signal'>,
): Server {
  const handlers = new Map(Object.entries(paths));
  const server = createServer((request, response) => {
    void Promise.resolve(handle(handlers, request, response)).catch((error: unknown) => {
      log.warn('request failed', { path: request.url, error });
      response.destroy();
    });
  });
  server.on('error', (error) => log.error('the proxy does not answer', { port, error }));
  server.listen(port, address);
  signal.addEventListener('abort', () => void server.close().closeAllConnections(), { once: true });
  return server;
}

function handle(handlers: ReadonlyMap<string, Handler>, request: IncomingMessage, response: ServerResponse) {
  const path = request.url?.split('?')[0] ?? '/';
  const handler = handlers.get(path);
  if (!handler) return void response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n');
  if (request.method === 'GET' || request.method === 'HEAD') return handler(response);
  response.writeHead(405, { allow: 'GET, HEAD' }).end();
}
