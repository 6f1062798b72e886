import type { ServicePort } from '../servicemap/service-port.ts';

/** Ports of Services by Service key; no ports for one that is gone. */
export type Changes = ReadonlyMap<string, readonly ServicePort[]>;

/** Two Services that want the same address and port on this node. */
export interface Conflict {
  readonly service: string;
  /** The Service that has it. */
  readonly owner: string;
  readonly frontend: string;
}

/** UDP clients of a frontend that were sent to an endpoint which is no more. */
export interface StaleFlow {
  readonly frontendIp: string;
  readonly frontendPort: number;
  readonly endpointIp: string;
  readonly endpointPort: number;
}

/** A transaction, and what is true once it went through. */
export interface Plan {
  /** In the tool's language; empty when nothing has to be done. */
  readonly commands: string;
  readonly conflicts: readonly Conflict[];
  readonly staleFlows: readonly StaleFlow[];
  commit(): void;
}

/** A way to get packets to endpoints. Knows what the kernel holds; renders what differs; effects are the caller's. */
export interface ProxyMode {
  /**
   * Everything anew, in one transaction. Nothing that was rendered before counts any more, but clients that are remembered
   * stay so, unless it begins from scratch: that goes through whatever was there.
   */
  reset(changes: Changes, from?: 'scratch'): Plan;
  update(changes: Changes): Plan;
}

export const MODE_NAMES = ['nftables', 'iptables', 'ipvs', 'userspace'] as const;

/** Value of `--proxy-mode`. */
export type ModeName = (typeof MODE_NAMES)[number];

export function isModeName(name: string | undefined): name is ModeName {
  return MODE_NAMES.some((one) => one === name);
}

/** How ipvs shares connections out among endpoints, as `ipvsadm` and the kernel name it. */
export const IPVS_SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'dh', 'sh', 'mh', 'sed', 'nq'] as const;

export type IpvsScheduler = (typeof IPVS_SCHEDULERS)[number];

/** A mode, and how it is to work. */
export interface ModeChoice {
  readonly mode: ModeName;
  /** For ipvs. */
  readonly scheduler?: IpvsScheduler;
}

/** On a Node: the mode that its proxy is to change to, as `--proxy-mode` writes it. */
export const MODE_ANNOTATION = 'sampan.dev/proxy-mode';

/** Reads `nftables`, or `ipvs/wrr`; undefined for what is neither. */
export function parseModeChoice(text: string): ModeChoice | undefined {
  const [mode, scheduler, ...rest] = text.split('/');
  if (!isModeName(mode) || rest.length > 0) return undefined;
  if (scheduler === undefined) return { mode };
  const known = IPVS_SCHEDULERS.find((one) => one === scheduler);
  return mode === 'ipvs' && known ? { mode, scheduler: known } : undefined;
}

export type RuleSet = 'nftables' | 'iptables' | 'ipvs';

/** A mode with its hands on the machine. */
export interface ProxyBackend {
  readonly name: ModeName;
  readonly mode: ProxyMode;
  /** Carries out a plan of {@link mode}: all of it or nothing. Rejects with what was refused. */
  run(plan: Plan): Promise<void>;
  /** In whose language its rules are: modes of the same replace each other's rules. */
  readonly rules: RuleSet;
  /** Takes away all that this mode ever put there, in this process or an earlier one, but what `heir` goes on to use. */
  cleanup(heir?: ProxyBackend): Promise<void>;
  /** False when somebody else took its rules away. Modes that notice it by themselves do not have it. */
  intact?(): Promise<boolean>;
  /** Ends what the mode holds in this process; rules stay. */
  close(): void;
}

/** What a node's rules have to know of its surroundings. */
export interface ProxyAddresses extends FamilyAddresses {
  /** The same for IPv6, in a cluster that has both. */
  readonly ipv6?: FamilyAddresses;
}

/** {@link ProxyAddresses} of one family. */
export interface FamilyAddresses {
  /** Pod addresses of the whole cluster. */
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  /** This node's own addresses: where its node ports answer. */
  readonly nodeIps: readonly string[];
}
