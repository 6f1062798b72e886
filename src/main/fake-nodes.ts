import { readFileSync } from 'node:fs';
import { startFakeNodes } from '../agent/fake/fake-nodes.ts';
import { trimPod } from '../agent/fake/objects.ts';
import type { Resource } from '../api/resource.ts';
import type { KubeObject, Pod } from '../api/types.ts';
import { httpsTransport } from '../client/https.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/kube-client.ts';
import { untilAborted } from '../lib/abort.ts';
import type { FakeNodesConfig, ProgramContext } from './config.ts';

/** All fake nodes of a cluster. Resolves when the signal aborts. */
export async function runFakeNodes(config: FakeNodesConfig, context: ProgramContext): Promise<void> {
  const [ca, cert, key] = [config.caFile, config.certFile, config.keyFile].map((path) => readFileSync(path, 'utf8'));
  const client = createClient(httpsTransport({ server: config.server, ca: ca!, cert: cert!, key: key! }));
  const informers = createInformers({ ...context, client, project });
  await startFakeNodes({ ...context, client, informers, count: config.count });
  context.log.info('fake nodes are ready', { count: config.count });
  await untilAborted(context.signal);
}

function project<T extends KubeObject>({ group, plural }: Resource<T>, object: T): T {
  return group === '' && plural === 'pods' ? (trimPod(object as unknown as Pod) as unknown as T) : object;
}
