import { X509Certificate } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import {
  type Authority,
  type CertificateOptions,
  createAuthority,
  createSigningKey,
  issueCertificate,
  loadAuthority,
  publicPem,
} from './authority.ts';

/** Path below the PKI's directory → PEM text. */
export type PkiFiles = ReadonlyMap<string, string>;

export interface PkiOptions {
  /** What is on disk now; empty for a new cluster. */
  existing: PkiFiles;
  clock: Clock;
  /** Addresses that clients reach the API server at, besides 127.0.0.1. */
  serverAddresses: readonly string[];
  /** Further names of the API server. */
  serverNames?: readonly string[];
  nodes: readonly PkiNode[];
}

export interface PkiNode {
  readonly name: string;
  readonly addresses: readonly string[];
}

export interface PkiPlan {
  /** All files of the cluster, those that stay included. */
  readonly files: PkiFiles;
  /** Paths that are new or differ from `existing`. */
  readonly changed: readonly string[];
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** A certificate with less time left is issued anew. */
const RENEW_BEFORE_MS = 30 * DAY_MS;

const SERVER_NAMES = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  'localhost',
];

/** Paths of a certificate and of its key. */
export function pairPaths(name: string): { cert: string; key: string } {
  return { cert: `${name}.crt`, key: `${name}.key` };
}

/** Base name of a node's client certificate: user `system:node:<name>`. */
export function nodeClientName(node: string): string {
  return `nodes/${node}/kubelet-client`;
}

/** Base name of the serving certificate of a node's agent. */
export function nodeServingName(node: string): string {
  return `nodes/${node}/kubelet`;
}

/**
 * Every PKI file that a cluster needs, keeping what is still good: `ca`, `apiserver` and `ingress-default` (serving),
 * `apiserver-kubelet-client`, `admin`, `controller-manager`, `scheduler` and `ingress` (clients), two pairs a node, and
 * `sa.key` with `sa.pub` for service-account tokens. Pure: the caller reads `existing` and writes `changed` (keys with mode
 * 0600). Throws when `ca.crt` and `ca.key` are there but unusable, since a new authority would shut out every existing client.
 */
export function planPki(options: PkiOptions): PkiPlan {
  const files = new Map<string, string>();
  const authority = keepAuthority(options, files);
  for (const [name, wanted] of wantedCertificates(options))
    keepCertificate({ options, files, authority, name, wanted });
  keepSigningKey(options.existing, files);
  const changed = [...files].filter(([path, text]) => options.existing.get(path) !== text).map(([path]) => path);
  return { files, changed };
}

function wantedCertificates(options: PkiOptions): [string, CertificateOptions][] {
  return [
    ['apiserver', apiServerCertificate(options)],
    ['apiserver-kubelet-client', client('kube-apiserver-kubelet-client', 'system:masters')],
    ['admin', client('kubernetes-admin', 'system:masters')],
    ['controller-manager', client('system:kube-controller-manager')],
    ['scheduler', client('system:kube-scheduler')],
    ['ingress', client('sampan:ingress')],
    [
      'ingress-default',
      { commonName: 'sampan-ingress-default-certificate', dnsNames: ['ingress.local'], usage: 'server' },
    ],
    ...options.nodes.flatMap(nodeCertificates),
  ];
}

function apiServerCertificate(options: PkiOptions): CertificateOptions {
  return {
    commonName: 'kube-apiserver',
    dnsNames: unique([...SERVER_NAMES, ...(options.serverNames ?? [])]),
    ipAddresses: unique(['127.0.0.1', ...options.serverAddresses]),
    usage: 'server',
  };
}

function nodeCertificates(node: PkiNode): [string, CertificateOptions][] {
  const commonName = `system:node:${node.name}`;
  const serving: CertificateOptions = {
    commonName,
    organizations: ['system:nodes'],
    dnsNames: [node.name, 'localhost'],
    ipAddresses: unique([...node.addresses, '127.0.0.1']),
    usage: 'server',
  };
  return [
    [nodeClientName(node.name), client(commonName, 'system:nodes')],
    [nodeServingName(node.name), serving],
  ];
}

function client(commonName: string, organization?: string): CertificateOptions {
  return { commonName, organizations: organization ? [organization] : [], usage: 'client' };
}

function keepAuthority(options: PkiOptions, files: Map<string, string>): Authority {
  const { cert, key } = pairPaths('ca');
  const certPem = options.existing.get(cert);
  const keyPem = options.existing.get(key);
  if ((certPem === undefined) !== (keyPem === undefined)) {
    throw new Error(`plan PKI: expected both ${cert} and ${key}, actual: only ${certPem === undefined ? key : cert}`);
  }
  const authority =
    certPem === undefined || keyPem === undefined
      ? createAuthority({ commonName: 'kubernetes', clock: options.clock })
      : loadAuthority({ certPem, keyPem }, options.clock);
  files.set(cert, authority.certPem).set(key, authority.keyPem);
  return authority;
}

interface KeepCertificate {
  options: PkiOptions;
  files: Map<string, string>;
  authority: Authority;
  name: string;
  wanted: CertificateOptions;
}

function keepCertificate({ options, files, authority, name, wanted }: KeepCertificate): void {
  const { cert, key } = pairPaths(name);
  const certPem = options.existing.get(cert);
  const keyPem = options.existing.get(key);
  const keeps = certPem && keyPem && isCurrent({ certPem, authority, wanted, now: options.clock.now() });
  const pair = keeps ? { certPem, keyPem } : issueCertificate(authority, wanted);
  files.set(cert, pair.certPem).set(key, pair.keyPem);
}

function isCurrent(check: { certPem: string; authority: Authority; wanted: CertificateOptions; now: number }): boolean {
  const certificate = parseCertificate(check.certPem);
  if (!certificate?.verify(new X509Certificate(check.authority.certPem).publicKey)) return false;
  const { dnsNames = [], ipAddresses = [] } = check.wanted;
  return (
    certificate.validToDate.getTime() - check.now > RENEW_BEFORE_MS &&
    dnsNames.every((name) => certificate.checkHost(name) !== undefined) &&
    ipAddresses.every((address) => certificate.checkIP(address) !== undefined)
  );
}

function parseCertificate(certPem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(certPem);
  } catch {
    return undefined;
  }
}

function keepSigningKey(existing: PkiFiles, files: Map<string, string>): void {
  const keyPem = existing.get('sa.key') ?? createSigningKey().keyPem;
  files.set('sa.key', keyPem).set('sa.pub', publicPem(keyPem));
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
