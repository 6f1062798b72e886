import { readFileSync } from 'node:fs';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';

/** Where a server listens: an address of its own network namespace, or an inherited listening socket. */
export type ListenOn = { readonly address: string; readonly port: number } | { readonly fd: number };

/** PEM files of the server; all paths are absolute. */
export interface ServerPki {
  readonly caFile: string;
  readonly caKeyFile: string;
  /** Serving certificate. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Shown to the agents' endpoints: user `kube-apiserver-kubelet-client`. */
  readonly kubeletClientCertFile: string;
  readonly kubeletClientKeyFile: string;
  /** Signs service-account tokens, and its public half. */
  readonly serviceAccountKeyFile: string;
  readonly serviceAccountPublicKeyFile: string;
}

/** What `sampan server --config` reads: one API server with its controllers and scheduler. */
export interface ServerConfig {
  readonly clusterName: string;
  /** The store lives below it. */
  readonly stateDir: string;
  readonly listen: readonly ListenOn[];
  /** Address and port that the `kubernetes` Service leads to. */
  readonly advertiseAddress: string;
  readonly advertisePort: number;
  readonly serviceCidr: string;
  readonly clusterCidr: string;
  /** Prefix length of one node's share of {@link clusterCidr}. */
  readonly nodeCidrPrefix: number;
  /** In a cluster of both families. */
  readonly serviceCidrIpv6?: string;
  readonly clusterCidrIpv6?: string;
  readonly pki: ServerPki;
  readonly dnsServiceIp: string;
  readonly clusterDomain: string;
  /** Addresses for Services of type LoadBalancer: ranges `first-last` or CIDRs, comma-separated. */
  readonly loadBalancerPool: string;
  /** Where volumes that are directories of nodes are made, the same on every node; without it none are. */
  readonly volumesDir?: string;
  /** Static bearer tokens: a CSV file of `token,user,uid,"group1,group2"`. */
  readonly tokenAuthFile?: string;
  /** File that gets a line of JSON a request (`audit.k8s.io/v1 Event`); none is written when left out. */
  readonly auditLogPath?: string;
  /** `audit.k8s.io/v1 Policy`; everything at Metadata level when left out. */
  readonly auditPolicyFile?: string;
  /** Reading requests that are worked on at once (default: 400), and writing ones (default: 200). */
  readonly maxRequestsInflight?: number;
  readonly maxMutatingRequestsInflight?: number;
  /** Services at loopback addresses of the machine; none: they are not. */
  readonly gateway?: GatewayConfig;
}

/** How Services answer on the machine that the cluster runs on. */
export interface GatewayConfig {
  /** Inherited: the machine's own network namespace. */
  readonly netnsFd: number;
  /** CIDRs of the cluster and the loopback CIDRs, of equal size, that stand for them. */
  readonly networks: readonly { readonly cluster: string; readonly loopback: string }[];
  /** Loopback address of the name server, and the domain that it answers. */
  readonly nameServer: string;
  readonly domain: string;
}

/** How a node announces load balancer addresses. */
export interface SpeakerConfig {
  /** The server's pool, so that left-over addresses are known. */
  readonly pool: string;
  /** The link to the LAN, and the LAN's broadcast address. */
  readonly link: string;
  readonly broadcast: string;
}

/** How a node serves Ingresses. */
export interface NodeIngressConfig {
  /** HAProxy's files. */
  readonly directory: string;
  /** Client certificate: user `sampan:ingress`, who may read Secrets where a node may not. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Certificate that is shown to clients whose name has none. */
  readonly servingCertFile: string;
  readonly servingKeyFile: string;
}

/** What `sampan agent --config` reads: one node. */
export interface AgentConfig {
  readonly clusterName: string;
  readonly nodeName: string;
  readonly nodeIp: string;
  /** URL of the API server. */
  readonly server: string;
  readonly caFile: string;
  /** Client certificate of the node: user `system:node:<name>`. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Serving certificate of the agent's own port. */
  readonly servingCertFile: string;
  readonly servingKeyFile: string;
  readonly containerdSocket: string;
  /** Pods' volumes and logs live below it. */
  readonly stateDir: string;
  /** The agent writes the pod network's configuration here; containerd reads it. */
  readonly cniConfDir: string;
  readonly clusterDns: string;
  readonly clusterDomain: string;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  /** Value of `--nodeport-addresses`; `primary` when absent. */
  readonly nodePortAddresses?: string;
  /** In a cluster of both families. */
  readonly nodeIpv6?: string;
  readonly serviceCidrIpv6?: string;
  readonly clusterCidrIpv6?: string;
  /** cgroup path below each hierarchy's root; pods' cgroups go below it. */
  readonly cgroupParent: string;
  /** As `--proxy-mode` writes it: `nftables`, or `ipvs/wrr`. */
  readonly proxyMode: string;
  readonly ingress: NodeIngressConfig;
  readonly loadBalancer: SpeakerConfig;
}

/** What `sampan fake-nodes --config` reads: nodes whose pods are only recorded. */
export interface FakeNodesConfig {
  readonly clusterName: string;
  /** URL of the API server. */
  readonly server: string;
  readonly caFile: string;
  /** Client certificate of an administrator: it speaks for many nodes. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly count: number;
}

/** What every long-running program is given. */
export interface ProgramContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Reads a configuration file written by `sampan up`. Throws with the file's path when it is not readable. */
export function readConfig<T>(file: string): T {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch (error) {
    throw new Error(`read configuration ${file}: ${(error as Error).message}`);
  }
}
