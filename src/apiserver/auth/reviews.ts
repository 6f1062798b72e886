import { badRequest, invalid, notFound } from '../../api/errors.ts';
import { invalidValue } from '../../api/field-error.ts';
import { type Clock, timestamp } from '../../lib/clock.ts';
import type { UserInfo } from '../request.ts';
import type { Authenticator } from './authenticator.ts';
import type { Attributes, Authorizer, UserRules } from './authorizer.ts';

/** A kind that is answered on create and never stored, as discovery lists it (verb create only). */
export interface ReviewKind {
  readonly group: string;
  readonly version: 'v1';
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
}

export const reviewKinds: readonly ReviewKind[] = [
  reviewKind('authentication.k8s.io', 'SelfSubjectReview'),
  reviewKind('authentication.k8s.io', 'TokenReview'),
  reviewKind('authorization.k8s.io', 'LocalSubjectAccessReview', true),
  reviewKind('authorization.k8s.io', 'SelfSubjectAccessReview'),
  reviewKind('authorization.k8s.io', 'SelfSubjectRulesReview'),
  reviewKind('authorization.k8s.io', 'SubjectAccessReview'),
];

export interface ReviewOptions {
  authenticator: Authenticator;
  authorizer: Authorizer;
  clock: Clock;
}

export interface ReviewRequest {
  /** Of {@link reviewKinds}. */
  plural: string;
  /** Of the path, for LocalSubjectAccessReview. */
  namespace?: string;
  user: UserInfo;
  body: unknown;
}

interface AccessSpec {
  resourceAttributes?: Record<string, string | undefined>;
  nonResourceAttributes?: { path?: string; verb?: string };
  user?: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

type Spec = AccessSpec & { namespace?: string; token?: string; audiences?: string[] };

/** The review with its `status`, as it is answered with 201. Throws Invalid when `spec` asks nothing, or two things. */
export async function review(options: ReviewOptions, request: ReviewRequest): Promise<object> {
  const kind = reviewKinds.find(({ plural }) => plural === request.plural);
  if (!kind) throw notFound({ group: 'authorization.k8s.io', plural: request.plural }, '');
  const { metadata, spec = {} } = (request.body ?? {}) as { metadata?: object; spec?: Spec };
  const base = { kind: kind.kind, apiVersion: `${kind.group}/v1`, metadata: metadata ?? {} };
  if (kind.kind === 'SelfSubjectReview') {
    const created = { ...metadata, creationTimestamp: timestamp(options.clock.now()) };
    return { ...base, metadata: created, status: { userInfo: request.user } };
  }
  return { ...base, spec, status: await statusOf(options, request, kind.kind, spec) };
}

async function statusOf(options: ReviewOptions, request: ReviewRequest, kind: string, spec: Spec): Promise<object> {
  const { authorizer } = options;
  switch (kind) {
    case 'TokenReview':
      return reviewToken(options.authenticator, spec);
    case 'SelfSubjectRulesReview':
      if (!spec.namespace) throw badRequest('no namespace on request');
      return listRules(authorizer.rulesOf(request.user, spec.namespace));
    case 'SelfSubjectAccessReview':
      return access(authorizer, request.user, attributesOf(kind, spec));
    case 'LocalSubjectAccessReview':
      checkLocal(request, spec);
      return access(authorizer, subjectOf(kind, spec), attributesOf(kind, spec));
    default:
      return access(authorizer, subjectOf(kind, spec), attributesOf(kind, spec));
  }
}

async function reviewToken(authenticator: Authenticator, { token = '', audiences }: Spec): Promise<object> {
  if (token === '') throw badRequest('token is required for TokenReview in authentication');
  const identity = await authenticator.reviewToken(token, audiences);
  if (!identity) return { user: {}, error: '[invalid bearer token]' };
  return { authenticated: true, user: identity.user, audiences: identity.audiences };
}

function listRules({ rules, incomplete }: UserRules): object {
  const resourceRules = rules.filter((rule) => rule.resources).map(({ nonResourceURLs: _, ...rule }) => rule);
  const nonResourceRules = rules.filter((rule) => rule.nonResourceURLs);
  return {
    resourceRules,
    nonResourceRules: nonResourceRules.map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: incomplete !== '',
    ...(incomplete === '' ? {} : { evaluationError: incomplete }),
  };
}

function access(authorizer: Authorizer, user: UserInfo, attributes: Attributes): object {
  const { allowed, reason } = authorizer.decide(user, attributes);
  return { allowed, ...(reason === '' ? {} : { reason }) };
}

function attributesOf(kind: string, { resourceAttributes, nonResourceAttributes }: Spec): Attributes {
  if (!resourceAttributes === !nonResourceAttributes) {
    const detail = resourceAttributes
      ? 'cannot be specified in combination with resourceAttributes'
      : 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    const field = resourceAttributes ? 'spec.nonResourceAttributes' : 'spec.resourceAttributes';
    throw refused(kind, field, nonResourceAttributes, detail);
  }
  if (nonResourceAttributes) return { verb: nonResourceAttributes.verb ?? '', path: nonResourceAttributes.path ?? '' };
  const { verb = '', group = '', resource = '', subresource, namespace, name } = resourceAttributes ?? {};
  return { verb, group, resource, subresource, namespace, name };
}

function subjectOf(kind: string, { user = '', groups = [], uid, extra }: Spec): UserInfo {
  if (user === '' && groups.length === 0) {
    throw refused(kind, 'spec.user', user, 'at least one of user or group must be specified');
  }
  return { username: user, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
}

function checkLocal({ namespace }: ReviewRequest, { resourceAttributes }: Spec): void {
  const asked = resourceAttributes?.['namespace'];
  if (asked === namespace) return;
  const detail = 'must match metadata.namespace';
  throw refused('LocalSubjectAccessReview', 'spec.resourceAttributes.namespace', asked, detail);
}

function refused(kind: string, field: string, value: unknown, detail: string) {
  return invalid({ group: 'authorization.k8s.io', kind }, '', [invalidValue(field, value ?? null, detail)]);
}

function reviewKind(group: string, kind: string, namespaced = false): ReviewKind {
  const singular = kind.toLowerCase();
  return { group, version: 'v1', kind, plural: `${singular}s`, singular, namespaced };
}
