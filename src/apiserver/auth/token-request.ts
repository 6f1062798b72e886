import { ApiError, badRequest, conflict, invalid, notFound } from '../../api/errors.ts';
import { type FieldError, invalidValue, requiredValue } from '../../api/field-error.ts';
import { type Clock, timestamp } from '../../lib/clock.ts';
import type { Bound, KubernetesClaim, TokenIssuer } from './token.ts';

/** The parts of stored objects that a token may be bound to. */
export interface BindableObject {
  readonly metadata: { readonly name: string; readonly uid?: string };
  readonly spec?: { readonly serviceAccountName?: string; readonly nodeName?: string };
}

/** An object by its name, or undefined when it does not exist. */
export type LookupObject = (key: {
  resource: 'serviceaccounts' | 'pods' | 'secrets' | 'nodes';
  namespace: string | undefined;
  name: string;
}) => BindableObject | undefined | Promise<BindableObject | undefined>;

export interface TokenRequestOptions {
  issuer: TokenIssuer;
  lookup: LookupObject;
  clock: Clock;
}

/** Whose token, and the `authentication.k8s.io/v1 TokenRequest` that was posted. */
export interface TokenRequest {
  namespace: string;
  name: string;
  body: unknown;
}

interface Spec {
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly boundObjectRef?: BoundObjectRef;
}

interface BoundObjectRef {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly name?: string;
  readonly uid?: string;
}

const KIND = { group: 'authentication.k8s.io', kind: 'TokenRequest' };
const DEFAULT_SECONDS = 3600;
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;

/**
 * POST `serviceaccounts/{name}/token`: answers the TokenRequest with `status.token`. Throws NotFound for a missing
 * account or bound object, Invalid or BadRequest for a wrong `spec`, Conflict when `boundObjectRef.uid` is another's.
 */
export async function requestToken(options: TokenRequestOptions, request: TokenRequest): Promise<object> {
  const { namespace, name } = request;
  const spec = readSpec(request);
  const account = await options.lookup({ resource: 'serviceaccounts', namespace, name });
  if (!account) throw notFound({ group: '', plural: 'serviceaccounts' }, name);
  const bound = spec.boundObjectRef ? await bind(options, request, spec.boundObjectRef) : {};
  const claim: KubernetesClaim = { namespace, serviceaccount: boundTo(account), ...bound };
  const { expirationSeconds, audiences } = spec;
  const issued = await options.issuer.issue({ claim, expirationSeconds, audiences });
  return {
    kind: KIND.kind,
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace, creationTimestamp: timestamp(options.clock.now()) },
    spec: { ...spec, audiences: issued.audiences },
    status: { token: issued.token, expirationTimestamp: timestamp(issued.expiresMs) },
  };
}

function readSpec({ body, name }: TokenRequest): Spec {
  const { kind, spec = {} } = (body ?? {}) as { kind?: unknown; spec?: Record<string, unknown> };
  if (kind !== undefined && kind !== KIND.kind)
    throw badRequest(`expected kind TokenRequest, actual: ${JSON.stringify(kind)}`);
  const { audiences, expirationSeconds, boundObjectRef } = spec;
  const read: Spec = {
    audiences: Array.isArray(audiences) ? audiences.filter((audience) => typeof audience === 'string') : [],
    expirationSeconds:
      expirationSeconds === undefined || expirationSeconds === null ? DEFAULT_SECONDS : Number(expirationSeconds),
    ...(boundObjectRef ? { boundObjectRef: boundObjectRef as BoundObjectRef } : {}),
  };
  const errors = validate(read);
  if (errors.length > 0) throw invalid(KIND, name, errors);
  return read;
}

function validate({ expirationSeconds, boundObjectRef }: Spec): FieldError[] {
  const field = 'spec.expirationSeconds';
  const errors: FieldError[] = [];
  if (!Number.isInteger(expirationSeconds)) errors.push(invalidValue(field, expirationSeconds, 'must be an integer'));
  if (expirationSeconds < MIN_SECONDS) {
    errors.push(invalidValue(field, expirationSeconds, 'may not specify a duration less than 10 minutes'));
  }
  if (expirationSeconds > MAX_SECONDS) {
    errors.push(invalidValue(field, expirationSeconds, 'may not specify a duration larger than 2^32 seconds'));
  }
  if (boundObjectRef && !boundObjectRef.name) errors.push(requiredValue('spec.boundObjectRef.name'));
  return errors;
}

/** Claims of the object that the token is bound to; a pod brings its node. */
async function bind(
  options: TokenRequestOptions,
  request: TokenRequest,
  reference: BoundObjectRef,
): Promise<Partial<KubernetesClaim>> {
  const { name = '' } = reference;
  switch (`${reference.apiVersion ?? 'v1'} ${reference.kind ?? ''}`) {
    case 'v1 Pod':
      return bindPod(options, request, reference);
    case 'v1 Secret': {
      const secret = await options.lookup({ resource: 'secrets', namespace: request.namespace, name });
      return { secret: checked(secret, 'secrets', reference) };
    }
    case 'v1 Node': {
      const node = await options.lookup({ resource: 'nodes', namespace: undefined, name });
      return { node: checked(node, 'nodes', reference) };
    }
    default:
      throw badRequest(
        `cannot bind token to object of type ${reference.apiVersion ?? ''}, Kind=${reference.kind ?? ''}`,
      );
  }
}

async function bindPod(
  options: TokenRequestOptions,
  request: TokenRequest,
  reference: BoundObjectRef,
): Promise<Partial<KubernetesClaim>> {
  const { namespace } = request;
  const object = await options.lookup({ resource: 'pods', namespace, name: reference.name ?? '' });
  const pod = checked(object, 'pods', reference);
  if (object?.spec?.serviceAccountName !== request.name) {
    const message = `cannot bind token for serviceaccount ${JSON.stringify(request.name)} to pod running with different serviceaccount name.`;
    throw badRequest(message);
  }
  const nodeName = object.spec.nodeName;
  const node = nodeName ? await options.lookup({ resource: 'nodes', namespace: undefined, name: nodeName }) : undefined;
  return node ? { pod, node: boundTo(node) } : { pod };
}

function checked(object: BindableObject | undefined, plural: string, reference: BoundObjectRef): Bound {
  const resource = { group: '', plural };
  const { name = '', uid } = reference;
  if (!object) throw notFound(resource, name);
  const actual = object.metadata.uid ?? '';
  if (uid && uid !== actual) {
    const why = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw conflict(resource, name, why);
  }
  return boundTo(object);
}

function boundTo({ metadata }: BindableObject): Bound {
  if (metadata.uid === undefined)
    throw new ApiError('InternalError', `object ${JSON.stringify(metadata.name)} has no uid`);
  return { name: metadata.name, uid: metadata.uid };
}
