import { ApiError, isAlreadyExists } from '../api/errors.ts';
import { controllerRevisions } from '../api/kinds/controllerrevision.ts';
import { selects } from '../api/selectors.ts';
import type { ControllerRevision, DaemonSet, New, StatefulSet } from '../api/types.ts';
import { PendingWrites } from '../client/pending-writes.ts';
import { type ByController, byController, claim } from './claim.ts';
import { controllerRef, ignoreGone, sameContent } from './common.ts';
import { stableHash } from './hash.ts';
import type { ControllersOptions } from './options.ts';
import type { Owner, PodTemplate } from './podcontrol.ts';

/** The label that says which revision a pod was made from. */
export const REVISION_LABEL = 'controller-revision-hash';

/** An owner whose template's versions are kept as ControllerRevisions. */
export interface Revised extends Owner {
  readonly object: StatefulSet | DaemonSet;
}

export interface Versions {
  /** Of the present template. */
  readonly newest: ControllerRevision;
  /** All, oldest first. */
  readonly all: readonly ControllerRevision[];
  /** Raised when a name was taken by another revision. */
  readonly collisionCount: number;
}

/** The versions of pod templates, as `kubectl rollout history` and `undo` read them. */
export class History {
  readonly #options: ControllersOptions;
  readonly #pending: PendingWrites<ControllerRevision>;
  readonly #revisions: ByController<ControllerRevision>;

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.#pending = new PendingWrites(options.informers.of(controllerRevisions));
    this.#revisions = byController(options.informers.of(controllerRevisions));
  }

  whenSynced(): Promise<void> {
    return this.#options.informers.of(controllerRevisions).whenSynced();
  }

  isSettled(key: string): boolean {
    return this.#pending.isSettled(key);
  }

  forget(key: string): void {
    this.#pending.forget(key);
  }

  /** The versions there are, with one for the present template, which is made or becomes the newest again. */
  async sync(key: string, revised: Revised): Promise<Versions> {
    const owned = (await this.#claim(key, revised)).sort((a, b) => a.revision - b.revision);
    const data = revisionData(revised.object.spec?.template);
    const collisionCount = revised.object.status?.collisionCount ?? 0;
    const found = owned.findLast((revision) => sameContent(revision.data, data));
    const last = owned.at(-1);
    if (found && found === last) return { newest: found, all: owned, collisionCount };
    const next = (last?.revision ?? 0) + 1;
    if (!found) return this.#create(key, revised, { owned, next, collisionCount });
    const { name, namespace } = found.metadata;
    const body = { revision: next };
    const newest = await this.#options.client.patch(controllerRevisions, { name, namespace }, { type: 'merge', body });
    this.#pending.wrote(key, newest);
    return { newest, all: [...owned.filter((revision) => revision !== found), newest], collisionCount };
  }

  /** Deletes the oldest versions beyond `revisionHistoryLimit` that nothing uses; `live`: names in use. */
  async truncate({ object }: Revised, { all }: Versions, live: ReadonlySet<string>): Promise<void> {
    const idle = all.filter(({ metadata }) => !live.has(metadata.name));
    const surplus = idle.slice(0, Math.max(0, idle.length - (object.spec?.revisionHistoryLimit ?? 10)));
    for (const { metadata } of surplus) {
      const { name, namespace, uid } = metadata;
      const options = { preconditions: { uid } };
      await this.#options.client.delete(controllerRevisions, { name, namespace }, options).catch(ignoreGone);
    }
  }

  #claim(key: string, { kind, object }: Revised): Promise<ControllerRevision[]> {
    const ownership = {
      owner: object,
      ownerKind: kind,
      resource: controllerRevisions,
      matches: ({ metadata }: ControllerRevision) => selects(object.spec?.selector, metadata.labels),
      wrote: (revision: ControllerRevision) => this.#pending.wrote(key, revision),
    };
    return claim(this.#options.client, ownership, this.#revisions.candidates(object));
  }

  async #create(
    key: string,
    revised: Revised,
    { owned, next, collisionCount }: { owned: readonly ControllerRevision[]; next: number; collisionCount: number },
  ): Promise<Versions> {
    const wanted = newRevision(revised, { revision: next, collisionCount });
    try {
      const newest = await this.#options.client.create(controllerRevisions, wanted);
      this.#pending.wrote(key, newest);
      return { newest, all: [...owned, newest], collisionCount };
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    const { name, namespace } = wanted.metadata as { name: string; namespace: string };
    const taken = await this.#options.client.get(controllerRevisions, { name, namespace });
    const same = sameContent(taken.data, wanted.data);
    const isOurs = taken.metadata.ownerReferences?.some(({ uid }) => uid === revised.object.metadata.uid);
    if (same && isOurs) return { newest: taken, all: [...owned, taken], collisionCount };
    if (collisionCount > COLLISIONS) throw new ApiError('AlreadyExists', `revision name ${name} is taken`);
    return this.#create(key, revised, { owned, next, collisionCount: collisionCount + 1 });
  }
}

const COLLISIONS = 100;

/** A strategic merge patch of the owner that sets its template: what `kubectl rollout undo` sends. */
export function revisionData(template: PodTemplate | undefined): object {
  return { spec: { template: { ...JSON.parse(JSON.stringify(template ?? {})), $patch: 'replace' } } };
}

/** The template that a version holds. */
export function templateOf(revision: ControllerRevision): PodTemplate {
  const { spec } = revision.data as { spec: { template: PodTemplate & { $patch?: string } } };
  const { $patch: _patch, ...template } = spec.template;
  return template;
}

/** The hash in a version's name. */
export function hashOf({ metadata }: ControllerRevision): string {
  return metadata.labels?.['controller.kubernetes.io/hash'] ?? metadata.labels?.[REVISION_LABEL] ?? '';
}

function newRevision(
  { kind, object }: Revised,
  { revision, collisionCount }: { revision: number; collisionCount: number },
): New<ControllerRevision> {
  const { name, namespace, annotations } = object.metadata;
  const template = object.spec?.template;
  const hash = stableHash(template, collisionCount);
  const hashLabel = kind.kind === 'DaemonSet' ? REVISION_LABEL : 'controller.kubernetes.io/hash';
  return {
    metadata: {
      name: `${name.slice(0, 223)}-${hash}`,
      namespace,
      labels: { ...(template?.metadata?.labels as Record<string, string>), [hashLabel]: hash },
      annotations,
      ownerReferences: [controllerRef(kind, object)],
    },
    data: revisionData(template),
    revision,
  } as New<ControllerRevision>;
}
