import { createHash } from 'node:crypto';
import type { Backend, BackendProfile, Certificate, Endpoint, RouteAction, RoutingTable } from '../types.ts';

/**
 * HAProxy cannot be given a backend while it runs, but servers of one: so its configuration has pools of empty backends,
 * "slots", one pool for each profile that is in use.
 */
export interface Pool {
  readonly profile: BackendProfile;
  /** Slots are named `<prefix>-0`, `<prefix>-1`, … */
  readonly prefix: string;
  readonly size: number;
}

/** What HAProxy holds, or should: names are HAProxy's own. */
export interface Layout {
  /** By the profile's text. */
  readonly pools: ReadonlyMap<string, Pool>;
  /** Backend id → slot. */
  readonly slots: ReadonlyMap<string, string>;
  /** Slot → server's name → endpoint. */
  readonly servers: ReadonlyMap<string, ReadonlyMap<string, Endpoint>>;
  /** Lines of the maps: host and path → what to do, as {@link encodeAction} says it. */
  readonly exact: ReadonlyMap<string, string>;
  readonly prefix: ReadonlyMap<string, string>;
  /** File name → certificate. Another set of hosts is another file; another certificate is new content of the same file. */
  readonly certificates: ReadonlyMap<string, Certificate>;
}

/** What an arrangement has to fit into, so that nothing needs to be loaded anew. */
export interface Running {
  readonly layout: Layout;
  /** Slots whose former servers have connections yet. */
  readonly busy: ReadonlySet<string>;
}

/** Pools that are there before anybody needs them, so that the first who does needs no reload. */
const READY: readonly { profile: BackendProfile; prefix: string; size: number }[] = [
  { profile: { balance: 'roundrobin' }, prefix: 's', size: 64 },
  { profile: { balance: 'roundrobin', shaped: true }, prefix: 'o', size: 16 },
];
const SIZE_MIN = 8;

/** Pure. Undefined when the table does not fit into the pools of what runs. */
export function arrangeInto(table: RoutingTable, running: Running): Layout | undefined {
  const { pools, slots: before } = running.layout;
  const slots = new Map<string, string>();
  for (const id of table.backends.keys()) {
    const slot = before.get(id);
    if (slot !== undefined) slots.set(id, slot);
  }
  const taken = new Set([...slots.values(), ...running.busy]);
  const free = new Map([...pools].map(([key, pool]) => [key, freeSlots(pool, taken)]));
  for (const backend of table.backends.values()) {
    if (slots.has(backend.id)) continue;
    const next = free.get(backend.profileKey)?.next();
    if (!next || next.done) return undefined;
    slots.set(backend.id, next.value);
  }
  return fill(table, { pools, slots });
}

/** Pure: an arrangement from nothing, with room to grow. */
export function arrangeAnew(table: RoutingTable): Layout {
  const pools = planPools(table);
  const free = new Map([...pools].map(([key, pool]) => [key, freeSlots(pool, new Set())]));
  const slots = new Map<string, string>();
  for (const { id, profileKey } of table.backends.values()) {
    const next = free.get(profileKey)!.next();
    if (!next.done) slots.set(id, next.value);
  }
  return fill(table, { pools, slots });
}

function planPools(table: RoutingTable): Map<string, Pool> {
  const counts = new Map(READY.map(({ profile }) => [JSON.stringify(profile), { profile, used: 0 }]));
  for (const { profile, profileKey: key } of table.backends.values())
    counts.set(key, { profile, used: (counts.get(key)?.used ?? 0) + 1 });
  return new Map([...counts].map(([key, { profile, used }]) => [key, planPool(key, profile, used)]));
}

function planPool(key: string, profile: BackendProfile, used: number): Pool {
  const ready = READY.find((pool) => JSON.stringify(pool.profile) === key);
  const prefix = ready?.prefix ?? `p${digest(key, 10)}`;
  return { profile, prefix, size: Math.max(ready?.size ?? SIZE_MIN, nextPowerOfTwo(used * 1.5)) };
}

function nextPowerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, value)));
}

function* freeSlots({ prefix, size }: Pool, taken: ReadonlySet<string>): Generator<string, undefined> {
  for (let at = 0; at < size; at++) {
    const slot = `${prefix}-${at}`;
    if (!taken.has(slot)) yield slot;
  }
  return undefined;
}

function fill(table: RoutingTable, { pools, slots }: Pick<Layout, 'pools' | 'slots'>): Layout {
  const exact = new Map<string, string>();
  const prefix = new Map<string, string>();
  for (const { host, path, match, action } of table.routes) {
    if (match === 'exact') exact.set(`${host}${path}`, encodeAction(action, slots));
    // The slash at the end keeps `/app` from matching `/apples`; requests are looked up with one too.
    else prefix.set(`${host}${path}/`, encodeAction(action, slots));
  }
  const servers = new Map([...table.backends.values()].map((backend) => [slots.get(backend.id)!, serversOf(backend)]));
  const certificates = new Map(table.certificates.map((one) => [certificateFile(one), one]));
  return { pools, slots, servers, exact, prefix, certificates };
}

function serversOf({ endpoints }: Backend): Map<string, Endpoint> {
  return new Map(endpoints.map((endpoint) => [serverName(endpoint), endpoint]));
}

/** The same on every node and after every restart: affinity cookies carry it. */
export function serverName(endpoint: Endpoint): string {
  let name = serverNames.get(endpoint);
  if (name === undefined) {
    const { address, port, protocol } = endpoint;
    name = `e${digest(`${address} ${port} ${protocol}`, 16)}`;
    serverNames.set(endpoint, name);
  }
  return name;
}

const serverNames = new WeakMap<Endpoint, string>();

function certificateFile({ secret, hosts }: Certificate): string {
  return `${digest(`${secret} ${hosts.join(' ')}`, 24)}.pem`;
}

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

/** Backends that need no servers, in the place of slots. */
export const ANSWERS = {
  notFound: 'not-found',
  unavailable: 'unavailable',
  redirect: 'redirect',
  toHttps: 'to-https',
} as const;

/** Places in a map's line, counted from 1, as the configuration takes it apart. */
export const FIELDS = {
  slot: 1,
  toHttps: 2,
  readTimeoutMs: 3,
  bodyBytesMax: 4,
  rewrite: 5,
  rewritePath: 6,
  status: 7,
  location: 8,
} as const;

/** One word for the whole action, so that a route changes in one step. */
export function encodeAction(action: RouteAction, slots: ReadonlyMap<string, string>): string {
  const { rewrite, redirect } = action;
  const fields = [
    slotOf(action, slots),
    action.toHttps ? 'h' : '',
    action.readTimeoutMs ?? '',
    action.bodyBytesMax ?? '',
    rewrite ? (rewrite.kind === 'whole' ? 'w' : rewrite.segments) : '',
    rewrite ? (rewrite.kind === 'whole' ? rewrite.path : rewrite.prefix) : '',
    redirect?.status ?? '',
    redirect?.location ?? '',
  ];
  return fields.join('|');
}

function slotOf({ backend, redirect }: RouteAction, slots: ReadonlyMap<string, string>): string {
  if (redirect) return ANSWERS.redirect;
  return (backend !== undefined && slots.get(backend)) || ANSWERS.unavailable;
}
