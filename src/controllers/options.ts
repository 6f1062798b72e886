import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { Informers } from '../client/informer.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';

/** What every controller is given. */
export interface ControllersOptions {
  client: Client;
  informers: Informers;
  recorder: EventRecorder;
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
  /** The cluster's CA, published to every namespace. */
  caPem: string;
  clusterCidr: string;
  /** Pods' IPv6 addresses, in a cluster that has both families: at most /64. */
  clusterCidrIpv6?: string | undefined;
  nodeCidrPrefix: number;
  /** Where the `kubernetes` Service leads. */
  apiServer: { readonly address: string; readonly port: number };
  /** ClusterIPs of the Services `default/kubernetes` and `kube-system/kube-dns`. */
  kubernetesIp: string;
  dnsServiceIp: string;
  /** Where volumes that are directories of nodes are kept; without it there is no class `standard`. */
  volumes?: VolumeDirectories;
  certificates: CertificateSigner;
}

/** The cluster's CA, for requests in PEM (PKCS #10). */
export interface CertificateSigner {
  /** Throws when the request is malformed. */
  read(request: string): RequestedCertificate;
  /** The certificate in PEM; `usages` in the words of `certificates.k8s.io`. */
  sign(request: string, options: { usages: readonly string[]; validityMs: number }): string;
}

/** What a certificate request asks for. */
export interface RequestedCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
}

/** Where volumes that are directories of nodes are kept, and who makes and removes them. */
export interface VolumeDirectories {
  /** The same path on every node. */
  readonly root: string;
  create(path: string): Promise<void>;
  remove(path: string): Promise<void>;
}
