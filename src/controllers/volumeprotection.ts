import { persistentVolumes } from '../api/kinds/persistentvolume.ts';
import { persistentVolumeClaims } from '../api/kinds/persistentvolumeclaim.ts';
import { pods } from '../api/kinds/pod.ts';
import type { Resource } from '../api/resource.ts';
import type { KubeObject, Pod } from '../api/types.ts';
import { CLAIM_FINALIZER, VOLUME_FINALIZER } from '../api/volume-protection.ts';
import { Index } from '../client/index-by.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import { ignoreGone, isPodFinished } from './common.ts';
import type { ControllersOptions } from './options.ts';

const VOLUME = 'volume:';

/** Lets deleted claims go when no pod uses them, and deleted volumes when no claim does. */
export function startVolumeProtection(options: ControllersOptions): void {
  const { informers } = options;
  const users = new Index(informers.of(pods), (pod) => (claimsOf(pod).length > 0 ? pod.metadata.namespace : undefined));
  const controller = startController({
    ...options,
    name: 'volumeprotection',
    reconcile: (key) => reconcile(options, users, key),
  });
  informers.of(persistentVolumeClaims).subscribe(({ type, object }) => {
    if (type !== 'deleted' && object.metadata.deletionTimestamp) controller.enqueue(objectKey(object));
    if (type === 'deleted' && object.spec?.volumeName) controller.enqueue(`${VOLUME}${object.spec.volumeName}`);
  });
  informers.of(persistentVolumes).subscribe(({ type, object }) => {
    if (type !== 'deleted' && object.metadata.deletionTimestamp) controller.enqueue(`${VOLUME}${object.metadata.name}`);
  });
  informers.of(pods).subscribe(({ type, object }) => {
    if (type !== 'deleted' && !isPodFinished(object)) return;
    for (const name of claimsOf(object)) {
      const claim = informers.of(persistentVolumeClaims).get(name, object.metadata.namespace);
      if (claim?.metadata.deletionTimestamp) controller.enqueue(objectKey(claim));
    }
  });
}

function claimsOf({ metadata, spec }: Pod): string[] {
  return (spec?.volumes ?? []).flatMap((volume) => {
    if (volume.persistentVolumeClaim) return [volume.persistentVolumeClaim.claimName];
    return volume.ephemeral ? [`${metadata.name}-${volume.name}`] : [];
  });
}

async function reconcile(options: ControllersOptions, users: Index<Pod>, key: string): Promise<void> {
  const { informers } = options;
  const caches = [informers.of(pods), informers.of(persistentVolumeClaims), informers.of(persistentVolumes)];
  await Promise.all(caches.map((cache) => cache.whenSynced()));
  if (key.startsWith(VOLUME)) {
    const volume = informers.of(persistentVolumes).get(key.slice(VOLUME.length));
    const ref = volume?.spec?.claimRef;
    const claim = ref && informers.of(persistentVolumeClaims).get(ref.name!, ref.namespace);
    const inUse = claim && claim.metadata.uid === ref?.uid && claim.spec?.volumeName === volume?.metadata.name;
    if (volume && !inUse)
      await release(options, { resource: persistentVolumes, object: volume, finalizer: VOLUME_FINALIZER });
    return;
  }
  const { name, namespace = '' } = splitKey(key);
  const claim = informers.of(persistentVolumeClaims).get(name, namespace);
  const inUse = users.get(namespace).some((pod) => !isPodFinished(pod) && claimsOf(pod).includes(name));
  if (claim && !inUse)
    await release(options, { resource: persistentVolumeClaims, object: claim, finalizer: CLAIM_FINALIZER });
}

async function release<T extends KubeObject>(
  { client }: ControllersOptions,
  { resource, object, finalizer }: { resource: Resource<T>; object: T; finalizer: string },
): Promise<void> {
  const { name, namespace, uid, finalizers = [], deletionTimestamp } = object.metadata;
  if (!deletionTimestamp || !finalizers.includes(finalizer)) return;
  const left = finalizers.filter((one) => one !== finalizer);
  const body = { metadata: { uid, finalizers: left.length > 0 ? left : null } };
  await client.patch(resource, { name, namespace }, { type: 'merge', body }).catch(ignoreGone);
}
