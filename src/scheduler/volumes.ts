import { persistentVolumes } from '../api/kinds/persistentvolume.ts';
import { persistentVolumeClaims } from '../api/kinds/persistentvolumeclaim.ts';
import { storageClasses } from '../api/kinds/storageclass.ts';
import { parseQuantity } from '../api/quantity.ts';
import { selects } from '../api/selectors.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import type { Informers } from '../client/informer.ts';
import type { Clock } from '../lib/clock.ts';
import type { NodeInfo } from './cluster-state.ts';
import { type Filter, final } from './misfit.ts';
import { matchesAnyTerm, type NodeTerm } from './node-rules.ts';

const OTHER_NODE = final("node(s) didn't match PersistentVolume's node affinity");
const NOTHING_TO_BIND = final("node(s) didn't find available persistent volumes to bind");
const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
const NO_PROVISIONER = 'kubernetes.io/no-provisioner';
/** How long a claim may take to get its volume before its pod is looked at anew. */
const BIND_TIMEOUT_MS = 600_000;

export interface VolumeBinderOptions {
  client: Client;
  informers: Informers;
  clock: Clock;
}

/** A pod's claims, as scheduling sees them. */
interface Claims {
  readonly bound: readonly PersistentVolume[];
  /** Claims that get their volume where the pod goes (`WaitForFirstConsumer`). */
  readonly delayed: readonly PersistentVolumeClaim[];
}

/** Keeps pods with their volumes. */
export class VolumeBinder {
  readonly #options: VolumeBinderOptions;

  constructor(options: VolumeBinderOptions) {
    this.#options = options;
  }

  /** Undefined for a pod without claims; a text when it must wait wherever it would go. */
  filter(pod: Pod): Filter | string | undefined {
    const claims = this.#claims(pod);
    if (claims === undefined || typeof claims === 'string') return claims;
    const taken = new Set<string>();
    return (at) => {
      if (!claims.bound.every((volume) => isReachable(volume, at))) return OTHER_NODE;
      taken.clear();
      return claims.delayed.every((claim) => this.#canServe(claim, at, taken)) ? undefined : NOTHING_TO_BIND;
    };
  }

  /** Gives a pod's claims their volumes on a node; resolves when all are bound. Rejects when that takes too long. */
  async bind(pod: Pod, at: NodeInfo): Promise<void> {
    const claims = this.#claims(pod);
    if (claims === undefined || typeof claims === 'string') return;
    const taken = new Set<string>();
    for (const claim of claims.delayed) await this.#assign(claim, at, taken);
    await Promise.all(claims.delayed.map((claim) => this.#whenBound(claim)));
  }

  #claims(pod: Pod): Claims | string | undefined {
    const names = claimNames(pod);
    if (names.length === 0) return undefined;
    const bound: PersistentVolume[] = [];
    const delayed: PersistentVolumeClaim[] = [];
    for (const { name, ephemeral } of names) {
      const claim = this.#options.informers.of(persistentVolumeClaims).get(name, pod.metadata.namespace);
      if (!claim) return missing(name, ephemeral);
      if (claim.metadata.deletionTimestamp) return `persistentvolumeclaim ${JSON.stringify(name)} is being deleted`;
      const volume = this.#options.informers.of(persistentVolumes).get(claim.spec?.volumeName ?? '');
      if (claim.spec?.volumeName) {
        if (!volume) return lost(name, claim.spec.volumeName);
        bound.push(volume);
      } else if (this.#waits(claim)) delayed.push(claim);
      else return 'pod has unbound immediate PersistentVolumeClaims';
    }
    return { bound, delayed };
  }

  #waits(claim: PersistentVolumeClaim): boolean {
    return this.#classOf(claim)?.volumeBindingMode === 'WaitForFirstConsumer';
  }

  #classOf(claim: PersistentVolumeClaim) {
    return this.#options.informers.of(storageClasses).get(claim.spec?.storageClassName ?? '');
  }

  #canServe(claim: PersistentVolumeClaim, at: NodeInfo, taken: Set<string>): boolean {
    const volume = this.#findVolume(claim, at, taken);
    if (volume) taken.add(volume.metadata.name);
    return volume !== undefined || this.#canProvision(claim, at);
  }

  #canProvision(claim: PersistentVolumeClaim, { labels }: NodeInfo): boolean {
    const storageClass = this.#classOf(claim)!;
    if (storageClass.provisioner === NO_PROVISIONER) return false;
    const topologies = storageClass.allowedTopologies ?? [];
    const allows = (term: (typeof topologies)[number]) =>
      (term.matchLabelExpressions ?? []).every(({ key, values }) => values.includes(labels[key] ?? ''));
    return topologies.length === 0 || topologies.some(allows);
  }

  /** The smallest volume that is free, large enough and reachable. */
  #findVolume(claim: PersistentVolumeClaim, at: NodeInfo, taken: ReadonlySet<string>): PersistentVolume | undefined {
    const fitting = this.#options.informers
      .of(persistentVolumes)
      .list()
      .filter((one) => !taken.has(one.metadata.name) && isFor(one, claim) && isReachable(one, at));
    return fitting.sort((a, b) => sizeOf(a.spec?.capacity) - sizeOf(b.spec?.capacity))[0];
  }

  async #assign(claim: PersistentVolumeClaim, at: NodeInfo, taken: Set<string>): Promise<void> {
    const { name, namespace, uid } = claim.metadata;
    const volume = this.#findVolume(claim, at, taken);
    if (!volume) {
      const body = { metadata: { annotations: { [SELECTED_NODE]: at.name } } };
      await this.#options.client.patch(persistentVolumeClaims, { name, namespace }, { type: 'merge', body });
      return;
    }
    taken.add(volume.metadata.name);
    const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid };
    const metadata = { resourceVersion: volume.metadata.resourceVersion };
    const body = { metadata, spec: { claimRef } };
    await this.#options.client.patch(persistentVolumes, { name: volume.metadata.name }, { type: 'merge', body });
  }

  async #whenBound(claim: PersistentVolumeClaim): Promise<void> {
    const { name, namespace } = claim.metadata;
    const bound = Promise.withResolvers<void>();
    const late = () => bound.reject(new Error(`binding volumes: ${name} got none in time`));
    const cancel = this.#options.clock.after(BIND_TIMEOUT_MS, late);
    const stop = this.#options.informers.of(persistentVolumeClaims).subscribe(({ type, object }) => {
      if (object.metadata.name !== name || object.metadata.namespace !== namespace) return;
      if (type === 'deleted') bound.reject(new Error(`binding volumes: ${missing(name, false)}`));
      else if (object.status?.phase === 'Bound') bound.resolve();
    });
    await bound.promise.finally(() => {
      cancel();
      stop();
    });
  }
}

interface ClaimName {
  readonly name: string;
  /** Made for the pod by a controller. */
  readonly ephemeral: boolean;
}

/** Claims that a pod's volumes name, or stand for (generic ephemeral volumes). */
export function claimNames(pod: Pod): ClaimName[] {
  return (pod.spec?.volumes ?? []).flatMap((volume): ClaimName[] => {
    if (volume.persistentVolumeClaim) return [{ name: volume.persistentVolumeClaim.claimName, ephemeral: false }];
    return volume.ephemeral ? [{ name: `${pod.metadata.name}-${volume.name}`, ephemeral: true }] : [];
  });
}

function missing(name: string, ephemeral: boolean): string {
  const claim = `persistentvolumeclaim ${JSON.stringify(name)}`;
  return ephemeral ? `waiting for ephemeral volume controller to create the ${claim}` : `${claim} not found`;
}

function lost(claim: string, volume: string): string {
  return `persistentvolumeclaim ${JSON.stringify(claim)} bound to non-existent persistentvolume ${JSON.stringify(volume)}`;
}

function isReachable({ spec }: PersistentVolume, at: NodeInfo): boolean {
  const required = spec?.nodeAffinity?.required;
  return !required || matchesAnyTerm(required.nodeSelectorTerms as NodeTerm[], at);
}

function isFor(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { spec, status, metadata } = volume;
  const wanted = claim.spec ?? {};
  const free = spec?.claimRef ? spec.claimRef.uid === claim.metadata.uid : status?.phase === 'Available';
  const modes = spec?.accessModes ?? [];
  return (
    free &&
    (spec?.storageClassName ?? '') === (wanted.storageClassName ?? '') &&
    (wanted.accessModes ?? []).every((mode) => modes.includes(mode)) &&
    (spec?.volumeMode ?? 'Filesystem') === (wanted.volumeMode ?? 'Filesystem') &&
    (!wanted.selector || selects(wanted.selector, metadata.labels)) &&
    sizeOf(spec?.capacity) >= sizeOf(wanted.resources?.requests)
  );
}

function sizeOf(amounts: Readonly<Record<string, string | number>> | undefined): number {
  return parseQuantity(String(amounts?.['storage'] ?? 0)) ?? 0;
}
