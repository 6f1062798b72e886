import { ApiError, type StatusReason } from '../../api/errors.ts';
import { jsonPatch } from '../../api/patch/json.ts';
import { isObject } from '../../api/patch/merge.ts';
import type { KubeObject } from '../../api/types.ts';
import type { AdmissionAttributes } from '../admission.ts';

/** What a webhook is asked: `admission.k8s.io/v1 AdmissionReview` with a request. */
export function reviewRequest(attributes: AdmissionAttributes, uid: string): object {
  const { resource, subresource, operation, user, dryRun, name, namespace, object, old } = attributes;
  const kind = kindOf(attributes);
  const what = { group: resource.group, version: resource.version, resource: resource.plural };
  const sub = subresource === '' ? {} : { subResource: subresource, requestSubResource: subresource };
  const { username, uid: userUid, groups, extra } = user;
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid,
      kind,
      resource: what,
      requestKind: kind,
      requestResource: what,
      ...sub,
      ...(name === '' ? {} : { name }),
      ...(namespace === '' ? {} : { namespace }),
      operation,
      userInfo: { username, ...(userUid ? { uid: userUid } : {}), groups, ...(extra ? { extra } : {}) },
      object: object ?? null,
      oldObject: old ?? null,
      dryRun,
      options: { kind: OPTIONS[operation], apiVersion: 'meta.k8s.io/v1' },
    },
  };
}

const OPTIONS: Record<AdmissionAttributes['operation'], string> = {
  CREATE: 'CreateOptions',
  UPDATE: 'UpdateOptions',
  DELETE: 'DeleteOptions',
  CONNECT: 'CreateOptions',
};

/** Of the object itself: a Scale is not of its resource's group. */
export function kindOf({ resource, object, old }: AdmissionAttributes) {
  const { apiVersion = '', kind = resource.kind } = object ?? old ?? {};
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  return version ? { group: group!, version, kind } : { group: resource.group, version: resource.version, kind };
}

export interface ReviewAnswer {
  readonly allowed: boolean;
  readonly status?: { readonly code?: number; readonly reason?: string; readonly message?: string };
  readonly patch?: string;
  readonly patchType?: string;
  readonly warnings?: readonly string[];
}

/** The answer in a webhook's body. Throws an Error that says what is wrong with it. */
export function readAnswer(body: unknown, uid: string): ReviewAnswer {
  if (!isObject(body)) throw new Error('expected an AdmissionReview, got no object');
  const { apiVersion, kind, response } = body;
  if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview') {
    throw new Error(
      `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${apiVersion}, Kind=${kind}`,
    );
  }
  if (!isObject(response)) throw new Error('webhook response was absent');
  if (response['uid'] !== uid) throw new Error(`expected response.uid="${uid}", got "${response['uid']}"`);
  const answer = response as unknown as ReviewAnswer;
  if (answer.patch && answer.patchType !== 'JSONPatch') {
    throw new Error(`webhook returned response.patch but not response.patchType`);
  }
  return answer;
}

/** The object with the answer's JSON patch. */
export function patched(object: KubeObject, { patch }: ReviewAnswer): KubeObject {
  if (!patch) return object;
  const operations: unknown = JSON.parse(Buffer.from(patch, 'base64').toString());
  return jsonPatch(object, operations) as KubeObject;
}

/** A webhook's refusal as the client sees it. */
export function denial(webhook: string, { status = {} }: ReviewAnswer): ApiError {
  const by = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const why = status.message || status.reason;
  const code = status.code && status.code >= 400 ? status.code : 400;
  const reason = (status.reason ?? '') as StatusReason;
  return new ApiError(reason, why ? `${by}: ${why}` : `${by} without explanation`, {}, code);
}
