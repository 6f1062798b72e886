export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** IPv4 or IPv6: rules, addresses and endpoints of the two never mix. */
export type Family = 4 | 6;

/** Where traffic of a Service may be sent. */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

/** The node that the answer is for. */
export interface NodeFacts {
  readonly name: string;
  /** Label `topology.kubernetes.io/zone`; without one, hints for zones are not followed. */
  readonly zone?: string | undefined;
  /** Families that the node has addresses of; IPv4 alone when absent. */
  readonly families?: readonly Family[] | undefined;
}
