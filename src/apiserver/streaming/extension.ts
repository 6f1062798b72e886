import type { Duplex } from 'node:stream';
import { ApiError, badRequest } from '../../api/errors.ts';
import type { Pod } from '../../api/types.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Upgrade } from '../http.ts';
import type { SubresourceHandler } from '../options.ts';
import { type AgentsOptions, createAgents } from './agent.ts';
import { podLogs } from './logs.ts';
import type { FindObject } from './pod.ts';
import { servePortForward } from './port-forward.ts';
import { proxySubresources, proxyUpgrade } from './proxy.ts';
import { refuseUpgrade } from './refuse.ts';
import { type SessionOptions, serveWebSocket, type UpgradeRequest } from './session.ts';
import { serveSpdy } from './spdy-session.ts';
import { isSpdy } from './spdy-upgrade.ts';

export interface StreamingOptions extends AgentsOptions {
  /** `(path) => server.locate(path)?.object` */
  find: FindObject;
  clock: Clock;
  log: Logger;
}

/** What the API server needs for `kubectl exec`, `attach`, `port-forward` and `logs`, and for the `proxy` subresources. */
export interface Streaming {
  /** For {@link ServeOptions.onUpgrade}: never throws, errors are answers. */
  onUpgrade(upgrade: Upgrade): void;
  /** For {@link ApiServerOptions.subresources}. */
  readonly subresources: readonly SubresourceHandler[];
  /** Ends all sessions, and drops idle connections to agents. */
  close(): void;
}

export function createStreaming(options: StreamingOptions): Streaming {
  const agents = createAgents(options);
  const onUnexpected = (error: unknown) => options.log.error('stream failed', { error });
  const session = { find: options.find, agents, onUnexpected, clock: options.clock };
  const open = new Set<Duplex>();
  let turn = 0;
  const proxy = { ...options, onUnexpected, choose: (count: number) => turn++ % count };
  return {
    onUpgrade(upgrade) {
      const { socket } = upgrade;
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      const request = podUpgrade(upgrade);
      if (request) void serve(session, request);
      else if (!proxyUpgrade(proxy, upgrade))
        refuseUpgrade(socket, new ApiError('NotFound', 'the server could not find the requested resource'));
    },
    subresources: [
      podSubresource('log', ['GET'], (request, object) =>
        podLogs({ find: options.find, agents }, { pod: object as Pod, query: request.query, signal: request.signal }),
      ),
      ...proxySubresources(proxy),
      ...['exec', 'attach', 'portforward'].map((name) => podSubresource(name, ['GET', 'POST'], upgradeRequired)),
    ],
    close() {
      for (const socket of open) socket.destroy();
      agents.close();
    },
  };
}

function serve(session: SessionOptions & { clock: Clock }, request: UpgradeRequest): Promise<void> {
  if (request.subresource === 'portforward') return servePortForward(session, request);
  return isSpdy(request.request) ? serveSpdy(session, request) : serveWebSocket(session, request);
}

const POD_PATH = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)\/(exec|attach|portforward)$/;

function podUpgrade({ request, raw, socket, head }: Upgrade): UpgradeRequest | undefined {
  const [, namespace, name, subresource] = POD_PATH.exec(request.path) ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  const pod = { namespace: decodeURIComponent(namespace), name: decodeURIComponent(name) };
  return {
    request: raw,
    socket,
    head,
    pod,
    subresource: subresource as UpgradeRequest['subresource'],
    query: request.query,
  };
}

function podSubresource(
  subresource: string,
  methods: readonly string[],
  handle: SubresourceHandler['handle'],
): SubresourceHandler {
  return { group: '', plural: 'pods', subresource, methods, handle };
}

async function upgradeRequired(): Promise<never> {
  throw badRequest('Upgrade request required');
}
