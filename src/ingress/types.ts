/** An Ingress by `namespace/name`. */
export type IngressKey = string;

/** Something of an Ingress that is not served, told to its owner as a Warning event. */
export interface Problem {
  readonly ingress: IngressKey;
  /** CamelCase reason of the event. */
  readonly reason: 'InvalidBackend' | 'InvalidCertificate' | 'InvalidAnnotation' | 'UnsupportedAnnotation' | 'Conflict';
  readonly message: string;
}

/** How HTTP reaches an endpoint. */
export type Protocol = 'http' | 'h2c' | 'https' | 'h2';

/** One address behind a Service port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** Affinity by a cookie that names the endpoint. */
export interface CookieAffinity {
  readonly name: string;
  readonly path: string;
  readonly maxAgeSeconds?: number;
  readonly sameSite?: 'Strict' | 'Lax' | 'None';
  readonly secure: boolean;
}

/** What a group of endpoints has in common beyond its addresses; a new combination needs a new configuration. */
export interface BackendProfile {
  readonly balance: 'roundrobin' | 'leastconn' | 'random' | 'source';
  readonly cookie?: CookieAffinity;
  readonly connectTimeoutMs?: number;
  /** CIDRs that clients must come from; all may when left out. */
  readonly allow?: readonly string[];
  /** Host header that endpoints see instead of the client's. */
  readonly host?: string;
  /** Some of its routes rewrite paths, or have limits of their own. */
  readonly shaped?: true;
}

/** The endpoints of one port of a Service, as some Ingresses want them reached. */
export interface Backend {
  /** Unique and stable: namespace, Service, port and profile. */
  readonly id: string;
  readonly profile: BackendProfile;
  /** The profile as text: equal profiles have equal keys. */
  readonly profileKey: string;
  readonly endpoints: readonly Endpoint[];
}

/** How a request's path changes before it is sent on. */
export type Rewrite =
  | { readonly kind: 'whole'; readonly path: string }
  /** The first `segments` parts of the path are replaced by `prefix`, which has no slash at its end. */
  | { readonly kind: 'prefix'; readonly segments: number; readonly prefix: string };

/** An answer that needs no endpoint. */
export interface Redirect {
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly location: string;
}

/** What is done with a request that a route matches. */
export interface RouteAction {
  /** Id of a {@link Backend}; without one the answer is a redirect or 503. */
  readonly backend?: string;
  readonly redirect?: Redirect;
  /** Plain HTTP is sent to HTTPS first. */
  readonly toHttps?: boolean;
  readonly rewrite?: Rewrite;
  readonly readTimeoutMs?: number;
  readonly bodyBytesMax?: number;
}

/** One line of the routing table. */
export interface Route {
  /** `a.example`, `*.example` or `*` for every host. */
  readonly host: string;
  /** As requests carry it, percent-encoded; without a slash at its end when it is a prefix, so `/` is empty. */
  readonly path: string;
  readonly match: 'exact' | 'prefix';
  readonly action: RouteAction;
}

/** A certificate with its key, and the names that it is shown for. */
export interface Certificate {
  /** `namespace/name` of its Secret. */
  readonly secret: string;
  /** Certificate chain and key, PEM. */
  readonly pem: string;
  /** Sorted: `a.example`, `*.example`. */
  readonly hosts: readonly string[];
}

/** Everything that the reverse proxy has to know. */
export interface RoutingTable {
  readonly routes: readonly Route[];
  readonly backends: ReadonlyMap<string, Backend>;
  readonly certificates: readonly Certificate[];
  readonly problems: readonly Problem[];
}
