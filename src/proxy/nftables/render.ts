import type { Family } from '../../servicemap/endpoint.ts';
import { type Frontend, mapOf, type Policy } from '../frontends.ts';
import type { FamilyAddresses } from '../mode.ts';
import type { Arrangement } from './arrange.ts';

/** Tables of the two families: nothing else is ever touched. */
export const TABLES: Readonly<Record<Family, string>> = { 4: 'ip sampan', 6: 'ip6 sampan' };

/** Bits of a packet's mark: the policy, whether the low half is a slot, and the index or slot itself. */
const FLAGS: Readonly<Record<Policy, number>> = { internal: 0x1_0000, external: 0x2_0000, kept: 0x4_0000 };
const SLOT = 0x8_0000;
const POLICY_MASK = 0x7_0000;

/** Clients that are remembered at most; when the map is full, further clients are balanced anew each time. */
const AFFINITY_MAX = 262_144;

/** Packets that a rule for Service traffic looks at. */
const FRONTENDS = { 4: 'ip daddr . meta l4proto . th dport', 6: 'ip6 daddr . meta l4proto . th dport' } as const;
const IP = { 4: 'ip', 6: 'ip6' } as const;

/** What a table's rules have to know. */
export interface TableOptions extends Pick<FamilyAddresses, 'clusterCidr' | 'serviceCidr'> {
  readonly family: Family;
}

/** Elements of all but this are Services'; this one's are clients that are remembered, whatever happens to the rules. */
const AFFINITY = 'affinity';

/** Maps and sets by name, each with its lines. `A` stands for the family's addresses. */
const MAPS: Readonly<Record<string, readonly string[]>> = {
  services: ['type A . inet_proto . inet_service : verdict'],
  outside: ['type A . inet_proto . inet_service : verdict'],
  refused: ['type A . inet_proto . inet_service : verdict'],
  endpoints: ['type A . inet_proto . inet_service . mark : A . inet_service'],
  slots: ['type A . inet_proto . inet_service . mark : mark'],
  stays: ['type A . inet_proto . inet_service . mark : verdict'],
};
const SETS: Readonly<Record<string, readonly string[]>> = {
  hairpins: ['type A . A'],
  allowed: ['type A . inet_proto . inet_service . A', 'flags interval'],
};
const MEMORY = [`size ${AFFINITY_MAX}`, 'flags dynamic,timeout'];

function renderDeclarations(family: Family): string {
  const block = (kind: string, name: string, lines: readonly string[]) =>
    `  ${kind} ${name} {\n${lines.map((line) => `    ${line.replaceAll(/\bA\b/g, `ipv${family}_addr`)}\n`).join('')}  }\n`;
  // nft 1.0.6 ends the process at a rule that adds to a map by a key of more than 16 bytes: with IPv6 it has to be a set.
  const affinity =
    family === 4
      ? block('map', AFFINITY, ['type A . A . inet_proto . inet_service : mark', ...MEMORY])
      : block('set', AFFINITY, ['type A . A . inet_proto . inet_service . mark', ...MEMORY]);
  return [
    ...Object.entries(MAPS).map(([name, lines]) => block('map', name, lines)),
    affinity,
    ...Object.entries(SETS).map(([name, lines]) => block('set', name, lines)),
  ].join('');
}

/**
 * The table without any Service. A packet to a frontend is looked up once: the verdict leads to the chain for its number of
 * endpoints, which all Services share, and there a random index picks the endpoint from a second map. No chain is the
 * Service's own, so the kernel's work for a change does not grow with the number of Services.
 *
 * It replaces a table that is there: traffic sees the old rules or the new ones, and clients stay remembered.
 */
export function renderBase(options: TableOptions): string {
  const { family } = options;
  const table = TABLES[family];
  const chains = baseChains(options);
  const declared = chains.map(({ name, hook }) => `  chain ${name} {\n${hook ? `    ${hook}\n` : ''}  }\n`);
  const emptied = [
    ...chains.map(({ name }) => `flush chain ${table} ${name}\n`),
    ...Object.keys(MAPS).map((name) => `flush map ${table} ${name}\n`),
    ...Object.keys(SETS).map((name) => `flush set ${table} ${name}\n`),
  ];
  const rules = chains.flatMap(({ name, rules }) => rules.map((rule) => `add rule ${table} ${name} ${rule}\n`));
  const opened = `table ${table} {\n${renderDeclarations(family)}${declared.join('')}}\n`;
  return `${opened}${emptied.join('')}${rules.join('')}`;
}

interface BaseChain extends Chain {
  /** Where in a packet's way it stands; without one, only verdicts lead to it. */
  readonly hook?: string;
}

function baseChains({ family, clusterCidr, serviceCidr }: TableOptions): BaseChain[] {
  const frontend = FRONTENDS[family];
  const ip = IP[family];
  const notOurs = 'fib saddr type != local';
  const fromOutside = `${ip} saddr != ${clusterCidr} ${notOurs}`;
  const refused = `ct state new ${frontend} vmap @refused`;
  const unowned = `${ip} daddr ${serviceCidr} goto refuse`;
  const allowed = `${frontend} . ${ip} saddr @allowed`;
  return [
    // TCP is refused by a reset: the kernel sends only few ICMP errors a second to one client, and a client would wait.
    { name: 'refuse', rules: ['meta l4proto tcp reject with tcp reset', 'reject'] },
    { name: 'guard', rules: [`${allowed} accept`, 'drop'] },
    { name: 'guard-refuse', rules: [`${allowed} goto refuse`, 'drop'] },
    hook('prerouting', 'nat', 'dstnat', [`${fromOutside} ${frontend} vmap @outside`, `${frontend} vmap @services`]),
    hook('output', 'nat', '-100', [`${frontend} vmap @services`]),
    hook('postrouting', 'nat', 'srcnat', [
      `ct status dnat ${ip} saddr . ${ip} daddr @hairpins ${notOurs} masquerade fully-random`,
      `ct status dnat ${marked('external')} ${notOurs} masquerade fully-random`,
      `ct status dnat ${marked('internal')} ${fromOutside} masquerade fully-random`,
    ]),
    // Before there is a route: the kernel would answer for addresses that it has none for. And before translation.
    hook('prerouting', 'filter', '-110', [refused]),
    { ...hook('output', 'filter', '-110', [refused]), name: 'screen-output' },
    hook('forward', 'filter', 'filter', [unowned]),
    hook('output', 'filter', 'filter', [unowned]),
  ];
}

function hook(at: string, type: 'nat' | 'filter', priority: string, rules: readonly string[]): BaseChain {
  return { name: `${type}-${at}`, hook: `type ${type} hook ${at} priority ${priority}; policy accept;`, rules };
}

function marked(policy: Policy): string {
  return `meta mark & ${hex(POLICY_MASK)} == ${hex(FLAGS[policy])}`;
}

/** A chain that many Services share, by its name and rules. */
export interface Chain {
  readonly name: string;
  readonly rules: readonly string[];
}

/** Chains that an element leads to must be there before it: the last ones come first. */
export function chainsOf(frontend: Frontend, family: Family): Chain[] {
  const count = frontend.endpoints.length;
  if (count === 0) return [];
  if (frontend.affinitySeconds === 0) return [pickChain(frontend.policy, count, family)];
  return [stayChain(frontend.affinitySeconds, family), stickyChain(frontend.policy, count, family)];
}

function pickChain(policy: Policy, count: number, family: Family): Chain {
  return { name: `${policy}-${count}`, rules: [`${pickIndex(policy, count)} ${translate(family)}`] };
}

function translate(family: Family): string {
  return `meta l4proto { tcp, udp, sctp } dnat ${IP[family]} to ${FRONTENDS[family]} . meta mark map @endpoints`;
}

function pickIndex(policy: Policy, count: number): string {
  return `meta mark set numgen random mod ${count} offset ${FLAGS[policy]}`;
}

/** Looks for the slot that the client is remembered with; if its endpoint is no more, or there is none, picks one. */
function stickyChain(policy: Policy, count: number, family: Family): Chain {
  const frontend = FRONTENDS[family];
  const stay = `${frontend} . meta mark vmap @stays`;
  const pick = [pickIndex(policy, count), `meta mark set ${frontend} . meta mark map @slots`, stay];
  const look = family === 4 ? lookByClient(stay) : lookBySlot({ policy, count, stay });
  return { name: `sticky-${policy}-${count}`, rules: [...look, ...pick] };
}

function lookByClient(stay: string): string[] {
  const client = `ip saddr . ${FRONTENDS[4]}`;
  return [
    'meta mark set 0x0',
    `meta mark set ${client} map @affinity`,
    stay,
    // The kernel renews an element's time, but never its data.
    `delete @affinity { ${client} : meta mark }`,
  ];
}

/** One rule an endpoint: a set can only be asked whether it has a client with this slot. */
function lookBySlot({ policy, count, stay }: { policy: Policy; count: number; stay: string }): string[] {
  const toSlot = `meta mark set ${FRONTENDS[6]} . meta mark map @slots`;
  const remembered = `ip6 saddr . ${FRONTENDS[6]} . meta mark @affinity`;
  return Array.from(
    { length: count },
    (_, index) => `meta mark set ${hex(FLAGS[policy] | index)} ${toSlot} ${remembered} ${stay}`,
  );
}

/** Remembers the client from now on for some time, and sends it to its endpoint. */
function stayChain(seconds: number, family: Family): Chain {
  const client = `${IP[family]} saddr . ${FRONTENDS[family]}`;
  const [key, data] = family === 4 ? [client, ' : meta mark'] : [`${client} . meta mark`, ''];
  return {
    name: `stay-${seconds}`,
    rules: [`update @affinity { ${key} timeout ${seconds}s${data} }`, translate(family)],
  };
}

export function renderChain({ name, rules }: Chain, family: Family): string {
  const table = TABLES[family];
  const lines = rules.map((rule) => `add rule ${table} ${name} ${rule}\n`);
  return `add chain ${table} ${name}\nflush chain ${table} ${name}\n${lines.join('')}`;
}

/** What the kernel holds for a frontend: `map key : data` each, or `set key`. */
export function elementsOf(frontend: Frontend, arrangement: Arrangement): string[] {
  return [...guardElements(frontend), ...verdictElements(frontend, arrangement)];
}

function verdictElements(frontend: Frontend, { endpoints, slots }: Arrangement): string[] {
  const { key, policy, affinitySeconds } = frontend;
  const map = mapOf(frontend);
  if (endpoints.length === 0) return elementsWithoutEndpoint(frontend);
  const index = (number: number) => `${key} . ${hex(FLAGS[policy] | number)}`;
  const data = endpoints.map(({ ip, port }) => `${ip} . ${port}`);
  if (affinitySeconds === 0)
    return [
      `${map} ${key} : goto ${policy}-${endpoints.length}`,
      ...data.map((to, i) => `endpoints ${index(i)} : ${to}`),
    ];
  return [
    `${map} ${key} : goto sticky-${policy}-${endpoints.length}`,
    ...data.flatMap((to, i) => {
      const slot = SLOT | slots[i]!;
      return [
        `slots ${index(i)} : ${hex(FLAGS[policy] | slot)}`,
        `stays ${index(slot)} : goto stay-${affinitySeconds}`,
        `endpoints ${index(slot)} : ${to}`,
      ];
    }),
  ];
}

/** Clients that may not come are told nothing, whether or not there is an endpoint. */
function guardElements({ key, allowed, endpoints, otherwise }: Frontend): string[] {
  if (allowed.length === 0) return [];
  const chain = endpoints.length === 0 && otherwise === 'refuse' ? 'guard-refuse' : 'guard';
  return [`refused ${key} : goto ${chain}`, ...allowed.map((range) => `allowed ${key} . ${range}`)];
}

function elementsWithoutEndpoint(frontend: Frontend): string[] {
  const { key, otherwise, allowed } = frontend;
  if (otherwise === 'pass') return [];
  if (mapOf(frontend) === 'outside') return [`outside ${key} : drop`];
  if (allowed.length > 0) return [];
  return [`refused ${key} : ${otherwise === 'drop' ? 'drop' : 'goto refuse'}`];
}

/** One command a map, for elements written as `map element`. */
export function renderElements(verb: 'add' | 'delete', elements: readonly string[], family: Family): string {
  const byMap = new Map<string, string[]>();
  for (const element of elements) {
    const space = element.indexOf(' ');
    const map = element.slice(0, space);
    const list = byMap.get(map);
    if (list) list.push(element.slice(space + 1));
    else byMap.set(map, [element.slice(space + 1)]);
  }
  return [...byMap].map(([map, list]) => `${verb} element ${TABLES[family]} ${map} { ${list.join(', ')} }\n`).join('');
}

function hex(mark: number): string {
  return `0x${mark.toString(16).padStart(8, '0')}`;
}
