import type { ProxyAddresses } from '../mode.ts';
import type { Arrangement } from './arrange.ts';
import { type Frontend, mapOf, type Policy } from './frontends.ts';

export const TABLE = 'ip sampan';

/** Bits of a packet's mark: the policy, whether the low half is a slot, and the index or slot itself. */
const FLAGS: Readonly<Record<Policy, number>> = { internal: 0x1_0000, external: 0x2_0000, kept: 0x4_0000 };
const SLOT = 0x8_0000;
const POLICY_MASK = 0x7_0000;

/** Clients that are remembered at most; when the map is full, further clients are balanced anew each time. */
const AFFINITY_MAX = 262_144;

/** Packets that a rule for Service traffic looks at. */
const FRONTEND = 'ip daddr . meta l4proto . th dport';

/**
 * The table without any Service. A packet to a frontend is looked up once: the verdict leads to the chain for its number of
 * endpoints, which all Services share, and there a random index picks the endpoint from a second map. No chain is the
 * Service's own, so the kernel's work for a change does not grow with the number of Services.
 */
export function renderBase({ clusterCidr, serviceCidr }: ProxyAddresses): string {
  return `table ${TABLE} {
  map services {
    type ipv4_addr . inet_proto . inet_service : verdict
  }
  map outside {
    type ipv4_addr . inet_proto . inet_service : verdict
  }
  map refused {
    type ipv4_addr . inet_proto . inet_service : verdict
  }
  map endpoints {
    type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service
  }
  map slots {
    type ipv4_addr . inet_proto . inet_service . mark : mark
  }
  map stays {
    type ipv4_addr . inet_proto . inet_service . mark : verdict
  }
  map affinity {
    type ipv4_addr . ipv4_addr . inet_proto . inet_service : mark
    size ${AFFINITY_MAX}
    flags dynamic,timeout
  }
  set hairpins {
    type ipv4_addr . ipv4_addr
  }
${REFUSE}${renderHooks({ clusterCidr, serviceCidr })}}
`;
}

/** TCP is refused by a reset: the kernel sends only few ICMP errors a second to one client, and a client would wait. */
const REFUSE = `  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject
  }
`;

function renderHooks({ clusterCidr, serviceCidr }: Pick<ProxyAddresses, 'clusterCidr' | 'serviceCidr'>): string {
  const notOurs = 'fib saddr type != local';
  const fromOutside = `ip saddr != ${clusterCidr} ${notOurs}`;
  const refused = `ct state new ${FRONTEND} vmap @refused`;
  const unowned = `ip daddr ${serviceCidr} goto refuse`;
  return [
    hook('prerouting', 'nat', 'dstnat', [`${fromOutside} ${FRONTEND} vmap @outside`, `${FRONTEND} vmap @services`]),
    hook('output', 'nat', '-100', [`${FRONTEND} vmap @services`]),
    hook('postrouting', 'nat', 'srcnat', [
      `ct status dnat ip saddr . ip daddr @hairpins ${notOurs} masquerade fully-random`,
      `ct status dnat ${marked('external')} ${notOurs} masquerade fully-random`,
      `ct status dnat ${marked('internal')} ${fromOutside} masquerade fully-random`,
    ]),
    // Before there is a route: the kernel would answer for addresses that it has none for.
    hook('prerouting', 'filter', '-110', [refused]),
    hook('forward', 'filter', 'filter', [unowned]),
    hook('output', 'filter', 'filter', [refused, unowned]),
  ].join('');
}

function hook(at: string, type: 'nat' | 'filter', priority: string, rules: readonly string[]): string {
  const lines = [`type ${type} hook ${at} priority ${priority}; policy accept;`, ...rules];
  return `  chain ${type}-${at} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
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
export function chainsOf(frontend: Frontend): Chain[] {
  const count = frontend.endpoints.length;
  if (count === 0) return [];
  if (frontend.affinitySeconds === 0) return [pickChain(frontend.policy, count)];
  return [stayChain(frontend.affinitySeconds), stickyChain(frontend.policy, count)];
}

function pickChain(policy: Policy, count: number): Chain {
  return { name: `${policy}-${count}`, rules: [`${pickIndex(policy, count)} ${TRANSLATE}`] };
}

const TRANSLATE = `meta l4proto { tcp, udp, sctp } dnat ip to ${FRONTEND} . meta mark map @endpoints`;

function pickIndex(policy: Policy, count: number): string {
  return `meta mark set numgen random mod ${count} offset ${FLAGS[policy]}`;
}

/** Looks for the slot that the client is remembered with; if its endpoint is no more, or there is none, picks one. */
function stickyChain(policy: Policy, count: number): Chain {
  return {
    name: `sticky-${policy}-${count}`,
    rules: [
      'meta mark set 0x0',
      `meta mark set ip saddr . ${FRONTEND} map @affinity`,
      `${FRONTEND} . meta mark vmap @stays`,
      // The kernel renews an element's time, but never its data.
      `delete @affinity { ip saddr . ${FRONTEND} : meta mark }`,
      pickIndex(policy, count),
      `meta mark set ${FRONTEND} . meta mark map @slots`,
      `${FRONTEND} . meta mark vmap @stays`,
    ],
  };
}

/** Remembers the client from now on for some time, and sends it to its endpoint. */
function stayChain(seconds: number): Chain {
  return {
    name: `stay-${seconds}`,
    rules: [`update @affinity { ip saddr . ${FRONTEND} timeout ${seconds}s : meta mark }`, TRANSLATE],
  };
}

export function renderChain({ name, rules }: Chain): string {
  const lines = rules.map((rule) => `add rule ${TABLE} ${name} ${rule}\n`);
  return `add chain ${TABLE} ${name}\nflush chain ${TABLE} ${name}\n${lines.join('')}`;
}

/** What the kernel holds for a frontend: `map key : data` each. */
export function elementsOf(frontend: Frontend, { endpoints, slots }: Arrangement): string[] {
  const { key, policy, affinitySeconds, otherwise } = frontend;
  const map = mapOf(frontend);
  if (endpoints.length === 0) return elementsWithoutEndpoint({ map, key, otherwise });
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

function elementsWithoutEndpoint({ map, key, otherwise }: { map: string } & Pick<Frontend, 'key' | 'otherwise'>) {
  if (otherwise === 'pass') return [];
  if (map === 'outside') return [`outside ${key} : drop`];
  return [`refused ${key} : ${otherwise === 'drop' ? 'drop' : 'goto refuse'}`];
}

/** One command a map, for elements written as `map element`. */
export function renderElements(verb: 'add' | 'delete', elements: readonly string[]): string {
  const byMap = new Map<string, string[]>();
  for (const element of elements) {
    const space = element.indexOf(' ');
    const map = element.slice(0, space);
    const list = byMap.get(map);
    if (list) list.push(element.slice(space + 1));
    else byMap.set(map, [element.slice(space + 1)]);
  }
  return [...byMap].map(([map, list]) => `${verb} element ${TABLE} ${map} { ${list.join(', ')} }\n`).join('');
}

function hex(mark: number): string {
  return `0x${mark.toString(16).padStart(8, '0')}`;
}
