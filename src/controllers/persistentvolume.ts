import { nodes } from '../api/kinds/node.ts';
import { persistentVolumes } from '../api/kinds/persistentvolume.ts';
import { persistentVolumeClaims } from '../api/kinds/persistentvolumeclaim.ts';
import { isDefaultClass, storageClasses } from '../api/kinds/storageclass.ts';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { ignoreExists, ignoreGone } from './common.ts';
import type { ControllersOptions } from './options.ts';
import { localVolume, PROVISIONED_BY, PROVISIONER, STANDARD } from './persistentvolume/local.ts';
import { findVolume, isForClaim, mismatch } from './persistentvolume/match.ts';

const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
const STORAGE_PROVISIONER = 'volume.kubernetes.io/storage-provisioner';
const VOLUME = 'volume:';
/** A claim that nothing serves is looked at again after this. */
const AGAIN_MS = 15_000;

/** Binds claims to volumes, and makes volumes that are directories of nodes. */
export function startPersistentVolumes(options: ControllersOptions): void {
  const { informers, client, volumes } = options;
  const binder = new Binder(options);
  // One at a time: two claims must not be given the same volume.
  const controller = startController({
    ...options,
    name: 'persistentvolume',
    workers: 1,
    reconcile: (key) => binder.reconcile(key),
  });
  if (volumes) void client.create(storageClasses, STANDARD).catch(ignoreExists);
  const waiting = () => {
    for (const claim of informers.of(persistentVolumeClaims).list()) {
      if (claim.status?.phase !== 'Bound') controller.enqueue(objectKey(claim));
    }
  };
  informers.of(persistentVolumeClaims).subscribe(({ object }) => {
    controller.enqueue(objectKey(object));
    if (object.spec?.volumeName) controller.enqueue(`${VOLUME}${object.spec.volumeName}`);
  });
  informers.of(persistentVolumes).subscribe(({ type, object }) => {
    controller.enqueue(`${VOLUME}${object.metadata.name}`);
    const ref = object.spec?.claimRef;
    if (ref) controller.enqueue(`${ref.namespace}/${ref.name}`);
    else if (type !== 'deleted') waiting();
  });
  informers.of(storageClasses).subscribe(waiting);
}

class Binder {
  readonly #options: ControllersOptions;

  constructor(options: ControllersOptions) {
    this.#options = options;
    options.informers.of(nodes);
  }

  async reconcile(key: string): Promise<Outcome> {
    const { informers } = this.#options;
    const kinds = [
      informers.of(persistentVolumeClaims),
      informers.of(persistentVolumes),
      informers.of(storageClasses),
      informers.of(nodes),
    ];
    await Promise.all(kinds.map((cache) => cache.whenSynced()));
    if (key.startsWith(VOLUME)) return this.#syncVolume(key.slice(VOLUME.length));
    const { name, namespace } = splitKey(key);
    const claim = informers.of(persistentVolumeClaims).get(name, namespace);
    if (!claim || claim.metadata.deletionTimestamp) return undefined;
    return claim.metadata.annotations?.[BIND_COMPLETED] ? this.#syncBound(claim) : this.#syncUnbound(claim);
  }

  async #syncBound(claim: PersistentVolumeClaim): Promise<Outcome> {
    const volume = this.#options.informers.of(persistentVolumes).get(claim.spec?.volumeName ?? '');
    if (volume && isForClaim(volume, claim)) return this.#bind(claim, volume);
    if (claim.status?.phase === 'Lost') return undefined;
    await this.#writeStatus(claim, { phase: 'Lost' });
    const message = volume
      ? 'Two claims are bound to the same volume, this one is bound incorrectly'
      : 'Bound claim has lost its PersistentVolume. Data on the volume is lost!';
    this.#record(claim, 'Warning', volume ? 'ClaimMisbound' : 'ClaimLost', message);
    return undefined;
  }

  async #syncUnbound(claim: PersistentVolumeClaim): Promise<Outcome> {
    const { informers } = this.#options;
    if (claim.spec?.volumeName) return this.#syncNamed(claim, claim.spec.volumeName);
    const storageClass = this.#classOf(claim);
    if (claim.spec?.storageClassName === undefined && storageClass) {
      await this.#patchSpec(claim, { storageClassName: storageClass.metadata.name });
      return undefined;
    }
    const delayed = storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
    const selected = claim.metadata.annotations?.[SELECTED_NODE];
    const found = findVolume(claim, informers.of(persistentVolumes).list(), { reservedOnly: delayed });
    if (found) return this.#bind(claim, found);
    if (delayed && selected === undefined) {
      const message = 'waiting for first consumer to be created before binding';
      this.#record(claim, 'Normal', 'WaitForFirstConsumer', message);
      return undefined;
    }
    return this.#provision(claim, storageClass);
  }

  async #syncNamed(claim: PersistentVolumeClaim, name: string): Promise<Outcome> {
    const volume = this.#options.informers.of(persistentVolumes).get(name);
    if (!volume) return { again: AGAIN_MS };
    if (volume.spec?.claimRef && !isForClaim(volume, claim)) {
      this.#record(
        claim,
        'Warning',
        'FailedBinding',
        `volume ${JSON.stringify(name)} already bound to a different claim.`,
      );
      return { again: AGAIN_MS };
    }
    const wrong = mismatch(volume, claim);
    if (!wrong) return this.#bind(claim, volume);
    this.#record(
      claim,
      'Warning',
      'VolumeMismatch',
      `Cannot bind to requested volume ${JSON.stringify(name)}: ${wrong}`,
    );
    return { again: AGAIN_MS };
  }

  #classOf({ spec }: PersistentVolumeClaim): StorageClass | undefined {
    const classes = this.#options.informers.of(storageClasses);
    if (spec?.storageClassName !== undefined) return classes.get(spec.storageClassName);
    return classes
      .list()
      .filter(isDefaultClass)
      .sort((a, b) => ((a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? 1 : -1))[0];
  }

  async #provision(claim: PersistentVolumeClaim, storageClass: StorageClass | undefined): Promise<Outcome> {
    const { volumes, informers, client } = this.#options;
    if (!storageClass) {
      const name = claim.spec?.storageClassName;
      const message = name
        ? `storageclass.storage.k8s.io ${JSON.stringify(name)} not found`
        : 'no persistent volumes available for this claim and no storage class is set';
      this.#record(claim, name ? 'Warning' : 'Normal', name ? 'ProvisioningFailed' : 'FailedBinding', message);
      return { again: AGAIN_MS };
    }
    if (storageClass.provisioner !== PROVISIONER || !volumes) return this.#leaveToOthers(claim, storageClass);
    const node = informers.of(nodes).get(claim.metadata.annotations?.[SELECTED_NODE] ?? '');
    if (!node) {
      const message = `failed to provision volume with StorageClass ${JSON.stringify(storageClass.metadata.name)}: configuration error, no node was specified`;
      this.#record(claim, 'Warning', 'ProvisioningFailed', message);
      return { again: AGAIN_MS };
    }
    const volume = localVolume(claim, { storageClass, node, root: volumes.root });
    await volumes.create(volume.spec!.hostPath!.path);
    await client.create(persistentVolumes, volume).catch(ignoreExists);
    this.#record(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volume.metadata.name}`);
    return undefined;
  }

  async #leaveToOthers(claim: PersistentVolumeClaim, { provisioner }: StorageClass): Promise<Outcome> {
    if (claim.metadata.annotations?.[STORAGE_PROVISIONER] !== provisioner) {
      await this.#patchSpec(claim, {}, { [STORAGE_PROVISIONER]: provisioner });
    }
    const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
    this.#record(claim, 'Normal', 'ExternalProvisioning', message);
    return { again: AGAIN_MS };
  }

  /** Volume first, then claim: whatever is interrupted is taken up again from what the volume says. */
  async #bind(claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<undefined> {
    await this.#bindVolume(claim, volume);
    const { annotations = {} } = claim.metadata;
    const { name } = volume.metadata;
    if (claim.spec?.volumeName !== name || !annotations[BIND_COMPLETED]) {
      const chosen = claim.spec?.volumeName ? {} : { [BOUND_BY_CONTROLLER]: 'yes' };
      await this.#patchSpec(claim, { volumeName: name }, { [BIND_COMPLETED]: 'yes', ...chosen });
    }
    const { accessModes, capacity } = volume.spec ?? {};
    if (claim.status?.phase !== 'Bound') await this.#writeStatus(claim, { phase: 'Bound', accessModes, capacity });
    return undefined;
  }

  async #bindVolume(claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<void> {
    const { name, namespace, uid, resourceVersion } = claim.metadata;
    if (volume.spec?.claimRef?.uid !== uid) {
      const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion };
      const annotations = volume.spec?.claimRef ? {} : { [BOUND_BY_CONTROLLER]: 'yes' };
      const metadata = { resourceVersion: volume.metadata.resourceVersion, annotations };
      const key = { name: volume.metadata.name };
      await this.#options.client.patch(persistentVolumes, key, {
        type: 'merge',
        body: { metadata, spec: { claimRef } },
      });
    }
    await this.#setPhase(volume, 'Bound');
  }

  async #syncVolume(name: string): Promise<Outcome> {
    const { informers } = this.#options;
    const volume = informers.of(persistentVolumes).get(name);
    if (!volume || volume.metadata.deletionTimestamp) return undefined;
    const ref = volume.spec?.claimRef;
    if (!ref?.uid) return this.#setPhase(volume, 'Available');
    const claim = informers.of(persistentVolumeClaims).get(ref.name!, ref.namespace);
    if (claim && claim.metadata.uid === ref.uid) {
      if (claim.spec?.volumeName === name) return this.#setPhase(volume, 'Bound');
      // Another volume was faster.
      if (claim.spec?.volumeName && volume.metadata.annotations?.[PROVISIONED_BY]) return this.#reclaim(volume);
      return undefined;
    }
    return this.#reclaim(volume);
  }

  /** The claim is gone. */
  async #reclaim(volume: PersistentVolume): Promise<undefined> {
    const { client, volumes } = this.#options;
    await this.#setPhase(volume, 'Released');
    const isOurs = volume.metadata.annotations?.[PROVISIONED_BY] === PROVISIONER;
    if (volume.spec?.persistentVolumeReclaimPolicy !== 'Delete' || !isOurs || !volumes) return undefined;
    const path = volume.spec.hostPath?.path ?? '';
    // Whoever may write volumes may not have other directories removed.
    if (path.startsWith(`${volumes.root}/pvc-`) && !path.includes('/../')) await volumes.remove(path);
    await client.delete(persistentVolumes, { name: volume.metadata.name }).catch(ignoreGone);
    return undefined;
  }

  async #setPhase(volume: PersistentVolume, phase: 'Available' | 'Bound' | 'Released'): Promise<undefined> {
    if (volume.status?.phase === phase) return undefined;
    const key = { name: volume.metadata.name };
    const body = { status: { phase } };
    await this.#options.client
      .patch(persistentVolumes, key, { type: 'merge', body, subresource: 'status' })
      .catch(ignoreGone);
    return undefined;
  }

  async #patchSpec(claim: PersistentVolumeClaim, spec: object, annotations: object = {}): Promise<void> {
    const { name, namespace, uid } = claim.metadata;
    const body = { metadata: { uid, annotations }, spec };
    await this.#options.client
      .patch(persistentVolumeClaims, { name, namespace }, { type: 'merge', body })
      .catch(ignoreGone);
  }

  async #writeStatus(claim: PersistentVolumeClaim, status: object): Promise<void> {
    const { name, namespace } = claim.metadata;
    const request = { type: 'merge', body: { status }, subresource: 'status' } as const;
    await this.#options.client.patch(persistentVolumeClaims, { name, namespace }, request).catch(ignoreGone);
  }

  #record(claim: PersistentVolumeClaim, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#options.recorder.record(claim, { type, reason, message });
  }
}
