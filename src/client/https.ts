import { Agent, request as httpsRequest } from 'node:https';
import { parse as parseYaml } from 'yaml';
import type { Transport } from './transport.ts';

/** How to reach an API server, and as whom. */
export interface Connection {
  /** `https://host:port`. */
  server: string;
  /** PEM. */
  ca?: string;
  cert?: string;
  key?: string;
  token?: string;
}

/** A server that has not said anything for so long is gone; requests with a signal end when their caller says so. */
const SILENCE_MS = 60_000;

/** How soon a connection whose other end is gone is noticed begins with this pause. */
const PROBE_MS = 30_000;

/** Requests over keep-alive HTTPS connections. */
export function httpsTransport(connection: Connection): Transport {
  const { server, ca, cert, key, token } = connection;
  const agent = new Agent({ keepAlive: true, ca, cert, key, maxCachedSessions: 4 });
  const credentials = token ? { authorization: `Bearer ${token}` } : {};
  return ({ method, path, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const all = { accept: 'application/json', ...credentials, ...length, ...headers };
      const request = httpsRequest(new URL(path, server), { method, agent, headers: all, signal }, (response) => {
        // Whoever reads the body gets the error from there; nobody may be reading any more.
        response.on('error', () => {});
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers as Record<string, string>,
          body: response,
        });
      });
      request.on('error', reject);
      request.on('socket', (socket) => socket.setKeepAlive(true, PROBE_MS));
      if (!signal) request.setTimeout(SILENCE_MS, () => request.destroy(new Error('the server does not answer')));
      request.end(body);
    });
}

interface Named {
  name: string;
}

interface Kubeconfig {
  'current-context'?: string;
  contexts?: (Named & { context: { cluster: string; user: string } })[];
  clusters?: (Named & { cluster: Record<string, string> })[];
  users?: (Named & { user: Record<string, string> })[];
}

/** The current context of a kubeconfig. `readFile` is asked for what it names by path. Throws when something is missing. */
export function parseKubeconfig(text: string, readFile: (path: string) => string): Connection {
  const config = (parseYaml(text) ?? {}) as Kubeconfig;
  const context = named(config.contexts, config['current-context'], 'context').context;
  const cluster = named(config.clusters, context.cluster, 'cluster').cluster;
  const user = named(config.users, context.user, 'user').user;
  const pem = (entry: Record<string, string>, key: string) => {
    const data = entry[`${key}-data`];
    if (data) return Buffer.from(data, 'base64').toString();
    return entry[key] ? readFile(entry[key]) : undefined;
  };
  return {
    server: cluster['server'] ?? '',
    ca: pem(cluster, 'certificate-authority'),
    cert: pem(user, 'client-certificate'),
    key: pem(user, 'client-key'),
    token: user['token'],
  };
}

function named<T extends Named>(entries: T[] | undefined, name: string | undefined, kind: string): T {
  const entry = entries?.find((candidate) => candidate.name === name);
  if (!entry) throw new Error(`Read kubeconfig: expected a ${kind} named ${JSON.stringify(name)}`);
  return entry;
}
