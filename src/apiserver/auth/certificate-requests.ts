import { isDeepStrictEqual } from 'node:util';
import { ApiError, invalid } from '../../api/errors.ts';
import { type FieldError, forbidden, invalidValue } from '../../api/field-error.ts';
import type { CertificateSigningRequest, KubeObject } from '../../api/types.ts';
import { readSigningRequest } from '../../pki/signing-request.ts';
import type { Admission, AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import type { UserInfo } from '../request.ts';
import type { Authorizer } from './authorizer.ts';
import { MASTERS } from './names.ts';

const RESOURCE = { group: 'certificates.k8s.io', plural: 'certificatesigningrequests' };
const KIND = { group: RESOURCE.group, kind: 'CertificateSigningRequest' };
const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';

/** Says who asked, and refuses requests that are none. */
export const certificateRequests: Admission<CertificateSigningRequest> = {
  resource: RESOURCE,
  create(request, { user }) {
    const { username, uid, groups, extra } = user;
    Object.assign(request.spec, { username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) });
    if (request.spec.request && request.spec.signerName === CLIENT_SIGNER) refuseMasters(request);
    else if (request.spec.request) parse(request);
  },
};

function parse(request: CertificateSigningRequest) {
  try {
    return readSigningRequest(Buffer.from(request.spec.request, 'base64').toString());
  } catch (error) {
    const detail = (error as Error).message;
    throw invalid(KIND, request.metadata.name, [invalidValue('spec.request', request.spec.request, detail)]);
  }
}

/** Nobody becomes an administrator by a certificate. */
function refuseMasters(request: CertificateSigningRequest): void {
  if (!parse(request).organizations?.includes(MASTERS)) return;
  throw refused(request, `use of ${CLIENT_SIGNER} signer with ${MASTERS} group is not allowed`);
}

/** `approval` changes conditions alone, `status` all but the decision; each asks for its own right on the signer. */
export function createCertificateChecks(authorizer: Authorizer): AdmissionPlugin {
  return {
    mutate(attributes) {
      const scope = scopeOf(attributes);
      if (!scope) return undefined;
      const [object, old] = [attributes.object, attributes.old] as CertificateSigningRequest[];
      return Promise.resolve(scope === 'approval' ? withConditions(object!, old!) : withDecision(object!, old!));
    },
    validate(attributes) {
      const scope = scopeOf(attributes);
      if (!scope) return undefined;
      const [object, old] = [attributes.object, attributes.old] as CertificateSigningRequest[];
      if (scope === 'approval') checkApproval(object!, old!);
      const decided = scope === 'approval' && !isDeepStrictEqual(conditionsOf(object!), conditionsOf(old!));
      const signed = scope === 'status' && !isDeepStrictEqual(object!.status, old!.status);
      if (!decided && !signed) return undefined;
      const [verb, what] = decided ? ['approve', 'approve'] : ['sign', 'sign'];
      const { signerName } = old!.spec;
      if (maySigner(authorizer, attributes.user, { verb, signerName })) return undefined;
      throw refused(old!, `user not permitted to ${what} requests with signerName ${JSON.stringify(signerName)}`);
    },
  };
}

function scopeOf({ resource, subresource, object }: AdmissionAttributes): 'approval' | 'status' | undefined {
  if (resource.plural !== RESOURCE.plural || resource.group !== RESOURCE.group || !object) return undefined;
  return subresource === 'approval' || subresource === 'status' ? subresource : undefined;
}

/** A right on one signer, or on all of its domain. */
function maySigner(authorizer: Authorizer, user: UserInfo, at: { verb: string; signerName: string }): boolean {
  const names = [at.signerName, `${at.signerName.split('/')[0]}/*`];
  return names.some((name) =>
    authorizer.allows(user, { verb: at.verb, group: RESOURCE.group, resource: 'signers', name }),
  );
}

function conditionsOf({ status }: CertificateSigningRequest) {
  return status?.conditions ?? [];
}

const DECISIONS = ['Approved', 'Denied'];

function withConditions(object: CertificateSigningRequest, old: CertificateSigningRequest): KubeObject {
  return { ...object, status: { ...old.status, conditions: conditionsOf(object) } } as KubeObject;
}

function withDecision(object: CertificateSigningRequest, old: CertificateSigningRequest): KubeObject {
  const decision = conditionsOf(old).filter(({ type }) => DECISIONS.includes(type));
  const others = conditionsOf(object).filter(({ type }) => !DECISIONS.includes(type));
  const conditions = [...decision, ...others];
  return { ...object, status: { ...object.status, ...(conditions.length > 0 ? { conditions } : {}) } } as KubeObject;
}

function checkApproval(object: CertificateSigningRequest, old: CertificateSigningRequest): void {
  const types = conditionsOf(object).map(({ type }) => type);
  const errors: FieldError[] = conditionsOf(old)
    .filter(({ type }) => !types.includes(type))
    .map(({ type }) =>
      forbidden('status.conditions', `updates may not remove a condition of type ${JSON.stringify(type)}`),
    );
  if (DECISIONS.every((type) => types.includes(type))) {
    const field = `status.conditions[${types.indexOf('Denied')}].type`;
    errors.push(invalidValue(field, 'Denied', 'Approved and Denied conditions are mutually exclusive'));
  }
  for (const [index, { type, status }] of conditionsOf(object).entries()) {
    if (!DECISIONS.includes(type) || status === 'True') continue;
    errors.push(invalidValue(`status.conditions[${index}].status`, status, 'must be "True"'));
  }
  if (errors.length > 0) throw invalid(KIND, object.metadata.name, errors);
}

function refused({ metadata: { name } }: CertificateSigningRequest, why: string): ApiError {
  const message = `${RESOURCE.plural}.${RESOURCE.group} ${JSON.stringify(name)} is forbidden: ${why}`;
  return new ApiError('Forbidden', message, { name, group: RESOURCE.group, kind: RESOURCE.plural });
}
