import { conflict, isAlreadyExists, isNotFound } from '../../api/errors.ts';
import type { KubeObject } from '../../api/types.ts';
import { type Application, applyConfig } from '../apply/apply.ts';
import type { VerbContext } from '../context.ts';
import { fromStored, storedTarget, toStored } from '../conversion.ts';
import type { Target } from '../route.ts';
import { createObject, type UpdateOptions, updateObject } from './write.ts';

export interface Applied {
  readonly object: KubeObject;
  readonly created: boolean;
}

export interface ApplyOptions extends UpdateOptions {
  readonly application: Application;
  /** Throws Forbidden when the user may not create what is not there. */
  readonly mayCreate: () => void;
}

const TRIES = 5;

/** Server-side apply: changes the object, or creates it. Throws Conflict when other managers own what would change. */
export async function applyObject(context: VerbContext, target: Target, options: ApplyOptions): Promise<Applied> {
  for (let tries = 1; ; tries++) {
    try {
      return { object: await update(context, target, options), created: false };
    } catch (error) {
      if (!isNotFound(error) || options.scope !== 'main') throw error;
    }
    options.mayCreate();
    try {
      return { object: await create(context, target, options), created: true };
    } catch (error) {
      // Someone else created it meanwhile.
      if (!isAlreadyExists(error) || tries === TRIES) throw error;
    }
  }
}

function update(context: VerbContext, target: Target, options: ApplyOptions): Promise<KubeObject> {
  const change = (current: KubeObject) => {
    const applied = applyConfig(fromStored(target, current), options.application);
    return toStored(target, options.application.typed(applied));
  };
  return updateObject(context, storedTarget(target), change, options);
}

async function create(context: VerbContext, target: Target, options: ApplyOptions): Promise<KubeObject> {
  const { resource, name, namespace } = target;
  const { uid } = options.application.config.metadata;
  if (uid) {
    const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
    throw conflict(resource, name, why);
  }
  const applied = options.application.typed(applyConfig({}, options.application));
  const metadata = { ...applied.metadata, name, ...(resource.namespaced ? { namespace } : {}) };
  const owned = applied.metadata.managedFields;
  const object = toStored(target, { ...applied, metadata });
  return createObject(context, storedTarget(target), object, { ...options, own: () => owned });
}
