import { certificateSigningRequests } from '../api/kinds/certificatesigningrequest.ts';
import type { CertificateSigningRequest } from '../api/types.ts';
import { type Outcome, startController } from '../client/reconcile.ts';
import { timestamp } from '../lib/clock.ts';
import { ignoreGone, ignoreNotFound } from './common.ts';
import type { CertificateSigner, ControllersOptions, RequestedCertificate } from './options.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const HOUR_MS = 60 * 60 * 1000;
const DEFAULT_VALIDITY_MS = 365 * DAY_MS;
const NODES = 'system:nodes';
const NODE_PREFIX = 'system:node:';

/** Signs requests that were approved, for the signers of the cluster, and takes old ones away. */
export function startCertificateSigning(options: ControllersOptions): void {
  const informer = options.informers.of(certificateSigningRequests);
  const controller = startController({
    ...options,
    name: 'certificatesigning',
    reconcile: (name) => reconcile(options, name),
  });
  informer.subscribe(({ object }) => controller.enqueue(object.metadata.name));
}

async function reconcile(options: ControllersOptions, name: string): Promise<Outcome> {
  const { client, informers, clock, certificates } = options;
  const request = informers.of(certificateSigningRequests).get(name);
  if (!request) return;
  const leftMs = keptUntil(request) - clock.now();
  if (leftMs <= 0) {
    const preconditions = { uid: request.metadata.uid };
    await client.delete(certificateSigningRequests, { name }, { preconditions }).catch(ignoreNotFound);
    return;
  }
  const status = signedStatus(request, certificates, timestamp(clock.now()));
  if (status) await client.updateStatus(certificateSigningRequests, { ...request, status }).catch(ignoreGone);
  return { again: leftMs };
}

/** When a request has served its time, in ms since the epoch: an hour after a decision, a day without one. */
function keptUntil({ metadata, status }: CertificateSigningRequest): number {
  const decided = (status?.conditions ?? []).map(({ lastUpdateTime }) => Date.parse(lastUpdateTime ?? '') || 0);
  const created = Date.parse(metadata.creationTimestamp ?? '');
  return decided.length > 0 ? Math.max(created, ...decided) + HOUR_MS : created + DAY_MS;
}

type Status = NonNullable<CertificateSigningRequest['status']>;

/** The status with the certificate, or with why there is none; undefined when there is nothing to do. */
export function signedStatus(
  request: CertificateSigningRequest,
  signer: CertificateSigner,
  now: string,
): Status | undefined {
  const { spec, status = {} } = request;
  const conditions = status.conditions ?? [];
  const has = (type: string) => conditions.some((condition) => condition.type === type);
  const rule = SIGNERS[spec.signerName];
  if (!rule || status.certificate || !has('Approved') || has('Denied') || has('Failed')) return undefined;
  const pem = Buffer.from(spec.request, 'base64').toString();
  const refusal = refusalOf(rule, signer.read(pem), spec.usages ?? []);
  if (refusal !== undefined) {
    const reason = 'SignerValidationFailure';
    const failed = { type: 'Failed', status: 'True', reason, message: refusal, lastUpdateTime: now };
    return { ...status, conditions: [...conditions, { ...failed, lastTransitionTime: now }] } as Status;
  }
  const askedMs = (spec.expirationSeconds ?? Number.POSITIVE_INFINITY) * 1000;
  const validityMs = Math.min(askedMs, DEFAULT_VALIDITY_MS);
  const certificate = signer.sign(pem, { usages: spec.usages ?? [], validityMs });
  return { ...status, certificate: Buffer.from(certificate).toString('base64') };
}

/** What a signer insists on (Kubernetes documentation, "Certificates and Certificate Signing Requests"). */
interface SignerRule {
  readonly required: string;
  readonly allowed: readonly string[];
  readonly check: (request: RequestedCertificate) => string | undefined;
}

const BASE_USAGES = ['digital signature', 'key encipherment'];
const CLIENT = { required: 'client auth', allowed: [...BASE_USAGES, 'client auth'] };

const SIGNERS: Readonly<Record<string, SignerRule | undefined>> = {
  'kubernetes.io/kube-apiserver-client': { ...CLIENT, check: () => undefined },
  'kubernetes.io/kube-apiserver-client-kubelet': { ...CLIENT, check: checkNodeClient },
  'kubernetes.io/kubelet-serving': {
    required: 'server auth',
    allowed: [...BASE_USAGES, 'server auth'],
    check: checkNodeServing,
  },
};

function refusalOf(rule: SignerRule, request: RequestedCertificate, usages: readonly string[]): string | undefined {
  const wrong = usages.find((usage) => !rule.allowed.includes(usage));
  if (wrong !== undefined) return `invalid usage for this signer: ${JSON.stringify(wrong)}`;
  if (!usages.includes(rule.required)) return `missing usage: ${JSON.stringify(rule.required)}`;
  return rule.check(request);
}

function checkNode({ organizations, commonName }: RequestedCertificate): string | undefined {
  if (organizations.length !== 1 || organizations[0] !== NODES) return `subject organization is not ${NODES}`;
  return commonName.startsWith(NODE_PREFIX) ? undefined : `subject common name does not begin with ${NODE_PREFIX}`;
}

function checkNodeClient(request: RequestedCertificate): string | undefined {
  const names = [request.dnsNames, request.ipAddresses, request.emailAddresses, request.uris].flat();
  return checkNode(request) ?? (names.length > 0 ? 'subjectAltNames are not allowed' : undefined);
}

function checkNodeServing(request: RequestedCertificate): string | undefined {
  const subject = checkNode(request);
  if (subject !== undefined) return subject;
  if (request.dnsNames.length + request.ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
  return request.emailAddresses.length + request.uris.length > 0
    ? 'email and URI subjectAltNames are not allowed'
    : undefined;
}
