import { nodes } from '../../api/kinds/node.ts';
import { pods } from '../../api/kinds/pod.ts';
import { secrets } from '../../api/kinds/secret.ts';
import { serviceAccounts } from '../../api/kinds/serviceaccount.ts';
import { type Resource, resourcePath, row } from '../../api/resource.ts';
import type { KubeObject, ServiceAccount } from '../../api/types.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Store } from '../../store/store.ts';
import type { Admission, AdmissionPlugin } from '../admission.ts';
import type { BodyDecoder } from '../decode.ts';
import type { Attributes, Authorize, PathHandler, SubresourceHandler } from '../options.ts';
import { createEscalationChecks } from '../rbac/escalation.ts';
import { RoleIndex } from '../rbac/role-index.ts';
import type { ApiRequest, UserInfo } from '../request.ts';
import { json } from '../respond.ts';
import { type Authenticator, createAuthenticator } from './authenticator.ts';
import { createAuthorizer } from './authorizer.ts';
import { certificateRequests, createCertificateChecks } from './certificate-requests.ts';
import { impersonate } from './impersonate.ts';
import { NodeGraph } from './node-graph.ts';
import { nodeRestriction } from './node-restriction.ts';
import { openIdDocument } from './openid.ts';
import { review, reviewKinds } from './reviews.ts';
import { createTokenIssuer, type TokenIssuer } from './token.ts';
import { type BindableObject, type LookupObject, requestToken } from './token-request.ts';
import { createTokenSecrets } from './token-secrets.ts';
import { readTyped } from './typed-body.ts';

export interface AuthOptions {
  /** PEM of the authorities whose client certificates are believed. */
  clientCaPem: string;
  /** Private key (PEM) of service-account tokens. */
  signingKeyPem: string;
  /** The server's: roles, bindings and pods are followed in it. */
  store: Store;
  /** `(path) => server.locate(path)?.object` */
  find: (path: string) => KubeObject | undefined;
  clock: Clock;
  staticTokens?: ReadonlyMap<string, UserInfo>;
  /** As the server's: bodies that are neither JSON nor YAML. */
  decoders?: Readonly<Record<string, BodyDecoder>>;
}

/** What the API server needs to know its users: pass the parts to `createApiServer` and `serveHttps`. */
export interface Auth {
  readonly authenticate: Authenticator['authenticate'];
  readonly authorize: Authorize;
  /** `serviceaccounts/token` */
  readonly subresources: readonly SubresourceHandler[];
  /** Access reviews, and the documents of OpenID discovery. */
  readonly paths: readonly PathHandler[];
  readonly issuer: TokenIssuer;
  /** Nobody grants what he does not have; nodes write their own objects only. */
  readonly admissions: readonly Admission[];
  readonly plugins: readonly AdmissionPlugin[];
}

export function createAuth(options: AuthOptions): Auth {
  const { clock } = options;
  const issuer = createTokenIssuer({ signingKeyPem: options.signingKeyPem, clock });
  const lookup = lookupIn(options.find);
  const lookupUid = async (key: Parameters<LookupObject>[0]) => (await lookup(key))?.metadata.uid;
  const authenticator = createAuthenticator({ ...options, tokens: { issuer, lookupUid } });
  const roles = new RoleIndex(options.store);
  const authorizer = createAuthorizer({ roles, nodes: new NodeGraph(options.store) });
  const tokenSecrets = createTokenSecrets({
    issuer,
    caPem: options.clientCaPem,
    findAccount: (key) => options.find(resourcePath(RESOURCES.serviceaccounts, key)) as ServiceAccount | undefined,
  });
  return {
    authenticate: async (credentials) => {
      const user = await authenticator.authenticate(credentials);
      return impersonate(authorizer, user, credentials.headers ?? {});
    },
    authorize: (user, attributes) => authorizer.authorize(user, reviewAttributes(attributes)),
    subresources: [tokenSubresource(options, { issuer, lookup, clock })],
    paths: [reviewPath(options, { authenticator, authorizer, clock }), openIdPath(issuer)],
    issuer,
    admissions: [...createEscalationChecks({ index: roles, authorizer }), certificateRequests as unknown as Admission],
    plugins: [nodeRestriction, createCertificateChecks(authorizer), tokenSecrets],
  };
}

const RESOURCES: Readonly<Record<Parameters<LookupObject>[0]['resource'], Resource>> = {
  serviceaccounts: row(serviceAccounts),
  pods: row(pods),
  secrets: row(secrets),
  nodes: row(nodes),
};

function lookupIn(find: AuthOptions['find']): LookupObject {
  return ({ resource, namespace, name }) => {
    const path = resourcePath(RESOURCES[resource], namespace === undefined ? { name } : { namespace, name });
    return find(path) as BindableObject | undefined;
  };
}

function tokenSubresource(
  { decoders = {} }: AuthOptions,
  tokens: { issuer: TokenIssuer; lookup: LookupObject; clock: Clock },
): SubresourceHandler {
  return {
    group: '',
    plural: 'serviceaccounts',
    subresource: 'token',
    methods: ['POST'],
    async handle(request, { metadata: { name, namespace = '' } }) {
      const body = await readTyped(request, decoders, { group: 'authentication.k8s.io', kind: 'TokenRequest' });
      return json(201, await requestToken(tokens, { namespace, name, body }));
    },
  };
}

interface ReviewPath {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespace: string;
}

const REVIEW_PATH = /^\/apis\/([^/]+)\/v1(?:\/namespaces\/([^/]+))?\/([^/]+)$/;

/** The review kind that a path names; undefined for all other paths. */
function parseReviewPath(path: string): ReviewPath | undefined {
  const [, group, namespace = '', plural] = REVIEW_PATH.exec(path) ?? [];
  const kind = reviewKinds.find((candidate) => candidate.group === group && candidate.plural === plural);
  if (!kind || kind.namespaced !== (namespace !== '')) return undefined;
  return { group: kind.group, kind: kind.kind, plural: kind.plural, namespace };
}

/** Reviews are resources to RBAC, though no row of the registry. */
function reviewAttributes(attributes: Attributes): Attributes {
  const found = 'path' in attributes ? parseReviewPath(attributes.path) : undefined;
  if (!found) return attributes;
  const verb = attributes.verb === 'post' ? 'create' : attributes.verb;
  return { verb, group: found.group, resource: found.plural, subresource: '', namespace: found.namespace, name: '' };
}

function reviewPath(options: AuthOptions, reviews: Parameters<typeof review>[0]): PathHandler {
  return async (request: ApiRequest) => {
    const found = request.method === 'POST' ? parseReviewPath(request.path) : undefined;
    if (!found) return undefined;
    const body = await readTyped(request, options.decoders ?? {}, found);
    return json(201, await review(reviews, { ...found, user: request.user, body }));
  };
}

function openIdPath(issuer: TokenIssuer): PathHandler {
  return async ({ method, path }) => {
    const document = method === 'GET' ? await openIdDocument(issuer, path) : undefined;
    return document && json(200, document.body, { 'content-type': document.contentType });
  };
}
