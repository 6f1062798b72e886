import { persistentVolumeClaims } from '../api/kinds/persistentvolumeclaim.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Pod } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import { controllerRef, ignoreExists } from './common.ts';
import type { ControllersOptions } from './options.ts';

/** Makes the claims of pods' `ephemeral` volumes, which end with the pod. */
export function startEphemeralVolumes(options: ControllersOptions): void {
  const { informers } = options;
  const controller = startController({
    ...options,
    name: 'ephemeralvolume',
    reconcile: (key) => reconcile(options, key),
  });
  informers.of(pods).subscribe(({ type, object }) => {
    const wants = object.spec?.volumes?.some((volume) => volume.ephemeral) ?? false;
    if (type !== 'deleted' && wants) controller.enqueue(objectKey(object));
  });
}

async function reconcile({ client, informers, recorder }: ControllersOptions, key: string): Promise<void> {
  const { name, namespace } = splitKey(key);
  await informers.of(persistentVolumeClaims).whenSynced();
  const pod = informers.of(pods).get(name, namespace);
  if (!pod || pod.metadata.deletionTimestamp) return;
  for (const claim of claimsOf(pod)) {
    const present = informers.of(persistentVolumeClaims).get(claim.metadata.name!, namespace);
    if (present && !present.metadata.ownerReferences?.some(({ uid }) => uid === pod.metadata.uid)) {
      const message = `PVC ${objectKey(present)} was not created for pod ${key} (pod is not owner)`;
      recorder.record(pod, { type: 'Warning', reason: 'FailedBinding', message: `ephemeral volume: ${message}` });
    }
    if (!present) await client.create(persistentVolumeClaims, claim).catch(ignoreExists);
  }
}

function claimsOf(pod: Pod) {
  const { name, namespace } = pod.metadata;
  return (pod.spec?.volumes ?? []).flatMap((volume) => {
    const template = volume.ephemeral?.volumeClaimTemplate;
    if (!template) return [];
    const { labels, annotations } = (template.metadata ?? {}) as Pod['metadata'];
    const ownerReferences = [controllerRef({ group: '', version: 'v1', kind: 'Pod' }, pod)];
    return [
      {
        metadata: { name: `${name}-${volume.name}`, namespace, labels, annotations, ownerReferences },
        spec: template.spec,
      },
    ];
  });
}
