import { pods } from '../api/kinds/pod.ts';
import { services } from '../api/kinds/service.ts';
import { objectKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import { rotateLogs } from './log-rotation.ts';
import { registerNode, reportReady, writeCniConfig } from './node.ts';
import { observedPods } from './observe.ts';
import type { AgentOptions } from './options.ts';
import { followRoutes } from './pod-routes.ts';
import { PodWorker } from './pod-worker.ts';
import { serveAgent } from './server/server.ts';
import { followSources } from './source-watches.ts';

/** A pod that takes its time to end holds its place: no fewer than the pods of a node. */
const WORKERS = 110;

/** Runs the pods of one node. Resolves when the node is ready; goes on until the signal aborts. */
export async function startAgent(options: AgentOptions & { osImage: string }): Promise<void> {
  const serving = serveAgent(options);
  const podCidrs = await registerNode(options, options.osImage);
  await writeCniConfig(options, podCidrs);
  followRoutes(options);
  void rotateLogs(options);
  await Promise.all([serving, startPods(options)]);
  await reportReady(options);
}

async function startPods(options: AgentOptions): Promise<void> {
  const { informers, runtime, nodeName, signal } = options;
  const mine = informers.of(pods, { fieldSelector: `spec.nodeName=${nodeName}` });
  const worker = new PodWorker({ ...options, enqueue: (key) => controller.enqueue(key) });
  const controller = startController({
    ...options,
    name: 'pods',
    workers: WORKERS,
    reconcile: (key) => worker.reconcile(key),
  });
  // Environment variables need every Service that is there when a pod starts.
  await Promise.all([mine.whenSynced(), informers.of(services).whenSynced()]);
  for (const [uid, { namespace, name }] of await observedPods(runtime)) {
    worker.adopt(uid, `${namespace}/${name}`);
    controller.enqueue(`${namespace}/${name}`);
  }
  const onExit = (id: string) => {
    const key = worker.ownerOf(id);
    if (key) controller.enqueue(key);
  };
  const onGap = () => {
    for (const pod of mine.list()) controller.enqueue(objectKey(pod));
  };
  runtime.watchExits({ onExit, onGap }, signal);
  mine.subscribe((change) => {
    const { object } = change;
    const grace = object.metadata.deletionGracePeriodSeconds ?? 0;
    if (change.type === 'deleted') worker.hurry(object, 0);
    if (change.type === 'updated' && grace < (change.old.metadata.deletionGracePeriodSeconds ?? 0)) {
      worker.hurry(object, grace);
    }
    controller.enqueue(objectKey(object));
  });
  followSources(options, (key) => controller.enqueue(key));
}
