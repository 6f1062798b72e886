import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { nodes } from '../api/kinds/node.ts';
import { services } from '../api/kinds/service.ts';
import type { Client } from '../client/client.ts';
import { createEventRecorder } from '../client/events.ts';
import { httpsTransport } from '../client/https.ts';
import type { Informers } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/kube-client.ts';
import { startIngress } from '../ingress/start.ts';
import { nodePublisher } from '../ingress/status.ts';
import type { AgentConfig, ProgramContext } from './config.ts';
import { resolveWith } from './resolve.ts';

const HTTP_PORT = 80;
const HTTPS_PORT = 443;

/** Ingresses at this node's address, as a user of its own: what the agent's caches have anyway is shared. */
export function startNodeIngress(
  config: AgentConfig,
  agent: ProgramContext & { client: Client; informers: Informers },
): void {
  const { clock, random, log, signal, informers } = agent;
  const { directory, certFile, keyFile, servingCertFile, servingKeyFile } = config.ingress;
  const pem = (path: string) => readFileSync(path, 'utf8');
  const connection = { server: config.server, ca: pem(config.caFile), cert: pem(certFile), key: pem(keyFile) };
  const client = createClient(httpsTransport(connection));
  const own = createInformers({ client, clock, log, random, signal });
  const shared: readonly unknown[] = [services, endpointSlices, nodes];
  const all: Informers = {
    of: (resource, filter) => (shared.includes(resource) && !filter ? informers : own).of(resource, filter),
    whenSynced: () => own.whenSynced(),
  };
  const addresses = config.nodeIpv6 ? [config.nodeIp, config.nodeIpv6] : [config.nodeIp];
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  resolver.setServers([config.nodeIp]);
  startIngress({
    client,
    informers: all,
    recorder: createEventRecorder({ client, clock, log, component: 'sampan-ingress', host: config.nodeName }),
    publisher: nodePublisher(all, config.nodeName),
    haproxy: {
      directory,
      listen: addresses.map((address) => ({ address, httpPort: HTTP_PORT, httpsPort: HTTPS_PORT })),
      user: { name: 'haproxy', group: 'haproxy' },
      defaultCertificate: () => `${pem(servingCertFile).trim()}\n${pem(servingKeyFile)}`,
    },
    resolve: resolveWith(resolver),
    clock,
    random,
    log,
    signal,
  });
}
