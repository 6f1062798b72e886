import { createHash } from 'node:crypto';
import { isAlreadyExists, isConflict, isNotFound } from '../api/errors.ts';
import { deployments } from '../api/kinds/deployment.ts';
import { replicaSets } from '../api/kinds/replicaset.ts';
import type { Deployment, ReplicaSet } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { controllerOf, controllerRef } from './common.ts';
import { deploymentStatus } from './deployment-status.ts';
import type { ControllersOptions } from './options.ts';
import { planRollout } from './rollout.ts';

export const HASH_LABEL = 'pod-template-hash';
export const REVISION = 'deployment.kubernetes.io/revision';

/** Moves every Deployment's pods to its newest template. */
export function startDeployments(options: ControllersOptions): void {
  const { informers } = options;
  const controller = startController({ ...options, name: 'deployment', reconcile: (key) => reconcile(options, key) });
  informers.of(deployments).subscribe(({ object }) => controller.enqueue(objectKey(object)));
  informers.of(replicaSets).subscribe(({ object }) => {
    const owner = controllerOf(object);
    if (owner?.kind === 'Deployment') controller.enqueue(`${object.metadata.namespace}/${owner.name}`);
  });
}

async function reconcile(options: ControllersOptions, key: string): Promise<Outcome> {
  const { informers, clock } = options;
  const { name, namespace } = splitKey(key);
  await Promise.all([informers.of(deployments).whenSynced(), informers.of(replicaSets).whenSynced()]);
  const deployment = informers.of(deployments).get(name, namespace);
  if (!deployment || deployment.metadata.deletionTimestamp) return undefined;
  const owned = informers
    .of(replicaSets)
    .list(namespace)
    .filter((set) => controllerOf(set)?.uid === deployment.metadata.uid);
  const current = await currentSet(options, deployment, owned);
  const others = owned.filter((set) => set.metadata.uid !== current?.metadata.uid);
  if (!deployment.spec?.paused && current) {
    for (const step of planRollout(deployment, { current, others })) await resize(options, deployment, step);
    await dropHistory(options, deployment, others);
  }
  const status = deploymentStatus(deployment, { current, others, now: clock.now() });
  await writeStatus(options, deployment, status);
  const deadline = (deployment.spec?.progressDeadlineSeconds ?? 600) * 1000;
  return status.updatedReplicas === deployment.spec?.replicas ? undefined : { again: deadline };
}

/** The ReplicaSet of the present template, made when there is none. */
async function currentSet(
  options: ControllersOptions,
  deployment: Deployment,
  owned: readonly ReplicaSet[],
): Promise<ReplicaSet | undefined> {
  const hash = templateHash(deployment);
  const revision = Math.max(0, ...owned.map(revisionOf));
  const found = owned.find((set) => set.metadata.labels?.[HASH_LABEL] === hash);
  if (!found)
    return deployment.spec?.paused ? undefined : createSet(options, deployment, { hash, revision: revision + 1 });
  const newest = owned.every((set) => set === found || revisionOf(set) < revisionOf(found));
  const wanted = newest ? revisionOf(found) : revision + 1;
  if (!newest) await annotate(options, found, wanted);
  await setRevision(options, deployment, wanted);
  return found;
}

export function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata.annotations?.[REVISION] ?? 0);
}

async function annotate({ client }: ControllersOptions, set: ReplicaSet, revision: number): Promise<void> {
  const { name, namespace } = set.metadata;
  const body = { metadata: { annotations: { [REVISION]: String(revision) } } };
  await client.patch(replicaSets, { name, namespace }, { type: 'merge', body });
}

async function setRevision({ client }: ControllersOptions, deployment: Deployment, revision: number): Promise<void> {
  if (deployment.metadata.annotations?.[REVISION] === String(revision)) return;
  const { name, namespace } = deployment.metadata;
  const body = { metadata: { annotations: { [REVISION]: String(revision) } } };
  await client.patch(deployments, { name, namespace }, { type: 'merge', body });
}

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** Ten characters that stay the same as long as the template does. */
export function templateHash(deployment: Deployment): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(sorted(deployment.spec!.template)))
    .digest();
  return [...digest.subarray(0, 10)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

async function createSet(
  { client }: ControllersOptions,
  deployment: Deployment,
  { hash, revision }: { hash: string; revision: number },
): Promise<ReplicaSet | undefined> {
  const { name, namespace, annotations } = deployment.metadata;
  const template = structuredClone(deployment.spec!.template);
  template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [HASH_LABEL]: hash } };
  const selector = structuredClone(deployment.spec!.selector);
  selector.matchLabels = { ...selector.matchLabels, [HASH_LABEL]: hash };
  const copied = Object.entries(annotations ?? {}).filter(([key]) => !key.startsWith('kubectl.kubernetes.io/'));
  try {
    return await client.create(replicaSets, {
      metadata: {
        name: `${name}-${hash}`,
        namespace,
        labels: template.metadata.labels,
        annotations: { ...Object.fromEntries(copied), [REVISION]: String(revision) },
        ownerReferences: [controllerRef(deployments, deployment)],
      },
      spec: { replicas: 0, minReadySeconds: deployment.spec!.minReadySeconds, selector, template },
    });
  } catch (error) {
    // Made in an earlier turn; the cache will show it.
    if (isAlreadyExists(error)) return undefined;
    throw error;
  }
}

async function resize(
  { client, recorder }: ControllersOptions,
  deployment: Deployment,
  step: { set: ReplicaSet; replicas: number },
): Promise<void> {
  const { name, namespace } = step.set.metadata;
  const from = step.set.spec?.replicas ?? 0;
  await client
    .patch(replicaSets, { name, namespace }, { type: 'merge', body: { spec: { replicas: step.replicas } } })
    .catch(ignoreGone);
  const message = `Scaled ${step.replicas > from ? 'up' : 'down'} replica set ${name} from ${from} to ${step.replicas}`;
  recorder.record(deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message });
}

async function dropHistory(
  { client }: ControllersOptions,
  deployment: Deployment,
  others: readonly ReplicaSet[],
): Promise<void> {
  const empty = others.filter((set) => set.spec?.replicas === 0 && (set.status?.replicas ?? 0) === 0);
  const surplus = empty
    .toSorted((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, Math.max(0, empty.length - (deployment.spec?.revisionHistoryLimit ?? 10)));
  for (const { metadata } of surplus) {
    await client.delete(replicaSets, { name: metadata.name, namespace: metadata.namespace }).catch(ignoreGone);
  }
}

async function writeStatus({ client }: ControllersOptions, deployment: Deployment, status: object): Promise<void> {
  if (JSON.stringify(sorted(status)) === JSON.stringify(sorted(deployment.status ?? {}))) return;
  const { name, namespace } = deployment.metadata;
  const body = [{ op: 'add', path: '/status', value: status }];
  await client.patch(deployments, { name, namespace }, { type: 'json', body, subresource: 'status' }).catch(ignoreGone);
}

function ignoreGone(error: unknown): void {
  if (!isNotFound(error) && !isConflict(error)) throw error;
}
