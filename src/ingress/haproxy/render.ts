import type { BackendProfile, CookieAffinity, Endpoint } from '../types.ts';
import { ANSWERS, FIELDS, type Layout, type Pool } from './arrange.ts';

/** Where HAProxy finds and puts its files; absolute paths. */
export interface HaproxyFiles {
  readonly config: string;
  readonly exactMap: string;
  readonly prefixMap: string;
  readonly certificates: string;
  readonly certificateList: string;
  /** Shown to clients whose name has no certificate. */
  readonly defaultCertificate: string;
  readonly adminSocket: string;
  /** Empty: the workers see nothing else. */
  readonly chroot: string;
}

/** Address and port to listen at. */
export interface Listen {
  readonly address: string;
  readonly httpPort: number;
  readonly httpsPort: number;
}

export interface RenderOptions {
  readonly files: HaproxyFiles;
  readonly listen: readonly Listen[];
  /** Told by the running process, so that the old and the new one can be told apart. */
  readonly generation: string;
  /** Account of the workers; this process's own when left out. */
  readonly user?: { readonly name: string; readonly group: string };
}

/** The configuration file. Values of users come only into pools' profiles, whose parser lets no other characters through. */
export function renderConfig(layout: Layout, options: RenderOptions): string {
  const sections = [
    globalSection(options),
    BASE,
    frontend(options),
    ...ANSWER_BACKENDS,
    ...[...layout.pools.values()].flatMap((pool) => poolSections(pool, layout)),
  ];
  return `${sections.map((lines) => lines.join('\n  ')).join('\n\n')}\n`;
}

function globalSection({ files, generation, user }: RenderOptions): string[] {
  return [
    'global',
    `stats socket ${quote(files.adminSocket)} mode 600 level admin expose-fd listeners`,
    'stats timeout 30s',
    `node ${quote(generation)}`,
    ...(user ? [`user ${quote(user.name)}`, `group ${quote(user.group)}`, `chroot ${quote(files.chroot)}`] : []),
    'log stderr format raw daemon info',
    'hard-stop-after 10m',
    'mworker-max-reloads 10',
    'expose-experimental-directives',
    'ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets',
    'tune.ssl.default-dh-param 2048',
  ];
}

const BASE = [
  'defaults base',
  'mode http',
  'timeout connect 5s',
  'timeout client 60s',
  'timeout server 60s',
  'timeout queue 30s',
  'timeout tunnel 1h',
  'timeout http-request 15s',
  'timeout http-keep-alive 75s',
  'option http-restrict-req-hdr-names delete',
  'option dontlognull',
  // Requests that went wrong are worth a line.
  'log global',
  'option httplog',
  'option dontlog-normal',
];

function frontend({ files, listen }: RenderOptions): string[] {
  const tls = `ssl crt-list ${quote(files.certificateList)} alpn h2,http/1.1`;
  return [
    'frontend ingress from base',
    ...listen.map(({ address, httpPort }) => `bind ${endpointText({ address, port: httpPort })}`),
    ...listen.map(({ address, httpsPort }) => `bind ${endpointText({ address, port: httpsPort })} ${tls}`),
    ...CLEANING,
    ...lookups(files),
    ...FORWARDED,
    `use_backend ${ANSWERS.toHttps} if !{ ssl_fc } { ${field('toHttps')} -m str h }`,
    `use_backend %[${field('slot')}] if { var(txn.route) -m found }`,
    `default_backend ${ANSWERS.notFound}`,
  ];
}

/** What no rule is to see: several names, odd methods, paths written in two ways, headers that only proxies may set. */
const CLEANING = [
  'http-request deny deny_status 405 if { method CONNECT TRACE }',
  'http-request deny deny_status 400 if { req.hdr_cnt(host) gt 1 }',
  'http-request normalize-uri percent-decode-unreserved',
  'http-request normalize-uri percent-to-uppercase',
  'http-request normalize-uri path-strip-dot',
  'http-request normalize-uri path-strip-dotdot full',
  'http-request del-header proxy',
  'http-request del-header forwarded',
];

const UNLESS_FOUND = 'unless { var(txn.route) -m found }';

/**
 * The host itself, then its wildcard, then every host; in each an exact path goes before the longest prefix. A host that
 * is in a map is a good one, unless a slash in it brought a path along: only others are looked at more closely.
 */
function lookups({ exactMap, prefixMap }: HaproxyFiles): string[] {
  const inMaps = (condition: string) => [
    `http-request set-var(txn.route) var(txn.at),map_str(${quote(exactMap)}) ${condition}`.trimEnd(),
    `http-request set-var(txn.route) var(txn.at),concat(/),map_beg(${quote(prefixMap)}) ${UNLESS_FOUND}`,
  ];
  const host = '{ var(txn.host) -m found }';
  return [
    'http-request set-var(txn.path) path',
    'http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)',
    'http-request deny deny_status 400 if { var(txn.host) -m sub / }',
    'http-request set-var(txn.at) var(txn.host),concat(,txn.path)',
    ...inMaps(''),
    `http-request deny deny_status 400 if !{ var(txn.route) -m found } ${host} !{ var(txn.host) -m reg ${HOST} }`,
    `http-request set-var(txn.parent) var(txn.host),field(2,.,0) ${UNLESS_FOUND}`,
    `http-request set-var(txn.at) str(*.),concat(,txn.parent),concat(,txn.path) ${UNLESS_FOUND}`,
    ...inMaps(UNLESS_FOUND),
    `http-request set-var(txn.at) str(*),concat(,txn.path) ${UNLESS_FOUND}`,
    ...inMaps(UNLESS_FOUND),
  ];
}

/** A name, or an address between brackets. */
const HOST = '^[a-z0-9._-]*$|^\\[[0-9a-f:.]*\\]$';

function field(name: keyof typeof FIELDS): string {
  return `var(txn.route),field(${FIELDS[name]},|)`;
}

const SEGMENTS = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const STATUSES = [301, 302, 303, 307, 308];

/** What routes ask for beyond a backend; only pools of such routes have these lines. */
const SHAPING = [
  `http-request set-var(txn.body_max) ${field('bodyBytesMax')} if { ${field('bodyBytesMax')} -m len gt 0 }`,
  'http-request return status 413 content-type text/plain string "The body is too large.\\n" ' +
    'if { var(txn.body_max) -m found } { req.body_size,sub(txn.body_max) gt 0 }',
  `http-request set-var(txn.timeout) ${field('readTimeoutMs')} if { ${field('readTimeoutMs')} -m len gt 0 }`,
  'http-request set-timeout server var(txn.timeout) if { var(txn.timeout) -m found }',
  `http-request set-path %[${field('rewritePath')}] if { ${field('rewrite')} -m str w }`,
  ...SEGMENTS.map(
    (count) =>
      `http-request set-path %[${field('rewritePath')}]/%[path,field(${count + 2},/,0)] if { ${field('rewrite')} -m str ${count} }`,
  ),
];

const FORWARDED = [
  'http-request set-header X-Forwarded-For %[src]',
  'http-request set-header X-Real-IP %[src]',
  'http-request set-header X-Forwarded-Host %[req.hdr(host)]',
  'http-request set-header X-Forwarded-Port %[dst_port]',
  'http-request set-header X-Forwarded-Proto https if { ssl_fc }',
  'http-request set-header X-Forwarded-Proto http if !{ ssl_fc }',
  'http-response set-header Server sampan unless { res.hdr(server) -m found }',
];

function answer(status: number, text: string): string {
  return `http-request return status ${status} content-type text/plain string "${text}\\n"`;
}

const ANSWER_BACKENDS = [
  [`backend ${ANSWERS.notFound} from base`, answer(404, 'No Ingress has a rule for this host and path.')],
  [`backend ${ANSWERS.unavailable} from base`, answer(503, 'The rule of this host and path leads to no Service.')],
  [`backend ${ANSWERS.toHttps} from base`, 'http-request redirect location https://%[var(txn.host)]%[pathq] code 308'],
  [
    `backend ${ANSWERS.redirect} from base`,
    ...STATUSES.map(
      (status) =>
        `http-request redirect location %[${field('location')}] code ${status} if { ${field('status')} -m str ${status} }`,
    ),
  ],
];

/** Same name as its slots' prefix. */
function poolSections(pool: Pool, layout: Layout): string[][] {
  const { prefix, profile, size } = pool;
  const slots = Array.from({ length: size }, (_, at) => `${prefix}-${at}`);
  return [
    [`defaults ${prefix} from base`, ...profileLines(profile)],
    ...slots.map((slot) => [
      `backend ${slot} from ${prefix}`,
      ...(profile.cookie ? ['use-server %[var(txn.sticky)] if { var(txn.sticky) -m found }'] : []),
      ...[...(layout.servers.get(slot) ?? [])].map(([name, endpoint]) => `server ${name} ${serverText(endpoint)}`),
    ]),
  ];
}

function profileLines({ balance, cookie, connectTimeoutMs, allow, host, shaped }: BackendProfile): string[] {
  return [
    `balance ${balance}`,
    ...(balance === 'source' ? ['hash-type consistent'] : []),
    'option redispatch 1',
    'retries 3',
    // An endpoint that ends may close a connection just when a request is on its way: what can be repeated is.
    'retry-on conn-failure empty-response',
    'http-request disable-l7-retry unless { method GET HEAD OPTIONS }',
    ...(connectTimeoutMs ? [`timeout connect ${connectTimeoutMs}`] : []),
    ...(allow ? [`http-request deny deny_status 403 unless { src ${allow.map(quote).join(' ')} }`] : []),
    ...(host ? [`http-request set-header Host ${quote(host)}`] : []),
    ...(shaped ? SHAPING : []),
    ...(cookie ? cookieLines(cookie) : []),
  ];
}

/** The cookie's value names a server; it is set anew only when another one answers. */
function cookieLines({ name, path, maxAgeSeconds, sameSite, secure }: CookieAffinity): string[] {
  const attributes = [
    `Path=${path}`,
    'HttpOnly',
    ...(maxAgeSeconds === undefined ? [] : [`Max-Age=${maxAgeSeconds}`]),
    ...(sameSite ? [`SameSite=${sameSite}`] : []),
    ...(secure ? ['Secure'] : []),
  ];
  const value = quote(`${name}=%[srv_name]; ${attributes.join('; ')}`);
  return [
    `http-request set-var(txn.sticky) req.cook(${name})`,
    `http-response add-header Set-Cookie ${value} unless { srv_name,strcmp(txn.sticky) eq 0 }`,
  ];
}

const SERVER_OPTIONS: Readonly<Record<Endpoint['protocol'], string>> = {
  http: '',
  h2c: ' proto h2',
  https: ' ssl verify none alpn http/1.1',
  h2: ' ssl verify none alpn h2',
};

/** Address and options of a server, as the configuration and `add server` take them. */
export function serverText(endpoint: Endpoint): string {
  return `${endpointText(endpoint)}${SERVER_OPTIONS[endpoint.protocol]}`;
}

function endpointText({ address, port }: { address: string; port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A map as a file. */
export function renderMap(map: ReadonlyMap<string, string>): string {
  return [...map].map(([key, value]) => `${key} ${value}\n`).join('');
}

/** The list of certificates; the first is for clients that ask for none of the others. */
export function renderCertificateList({ certificates }: Layout, files: HaproxyFiles): string {
  const lines = [...certificates].map(([file, { hosts }]) => certificateLine(`${files.certificates}/${file}`, hosts));
  return [files.defaultCertificate, ...lines].map((line) => `${line}\n`).join('');
}

/** A line of the list: a file and the names that it is for. */
export function certificateLine(path: string, hosts: readonly string[]): string {
  return `${path} ${hosts.join(' ')}`;
}

/** One word of the configuration. Throws for what no quoting can hold. */
function quote(text: string): string {
  if (/['\0\r\n]/.test(text))
    throw new Error(`Quote for HAProxy: expected one line without quotes, actual ${JSON.stringify(text)}`);
  return /^[A-Za-z0-9_./:@%+,-]+$/.test(text) ? text : `'${text}'`;
}
