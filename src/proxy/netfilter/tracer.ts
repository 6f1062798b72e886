import type { FakeChains } from '../../host/iptables-fake.ts';
import { cidrContains, parseCidr, parseIp } from '../../lib/ip.ts';
import type { Choose, Fate, Packet } from '../fate.ts';

export interface TraceOptions {
  /** Chains of a table. */
  table: (name: string) => FakeChains;
  /** This node's addresses. */
  localIps: readonly string[];
  choose: Choose;
  /** Lists of the `recent` match with the clients in them, from packet to packet. */
  recent: Map<string, Set<string>>;
  /** Elements of a set, each with what it carries. */
  sets?: (name: string) => ReadonlyMap<string, string> | undefined;
  /** Where a virtual server sends a packet that has got to this node. */
  virtual?: (packet: Packet, mark: number) => { readonly ip: string; readonly port: number } | undefined;
}

interface State {
  readonly options: TraceOptions;
  readonly source: string;
  readonly protocol: string;
  destination: string;
  port: number;
  mark: number;
  translated: boolean;
  masqueraded: boolean;
}

type Verdict = 'accept' | 'drop' | 'reject';
/** A chain that comes to its end leaves the packet to the one that it was called from. */
type Outcome = Verdict | 'return';

/** Follows a packet through the rules. Throws at any option or target that it does not know. */
export function trace(packet: Packet, options: TraceOptions): Fate {
  const { source, destination, port, protocol, ownProcess } = packet;
  const state: State = { options, source, destination, port, protocol, mark: 0, translated: false, masqueraded: false };
  const refused = ownProcess ? leave(state, packet) : arrive(state, packet);
  if (refused) return refused;
  const here = options.localIps.includes(state.destination);
  const { translated, destination: to, port: at, masqueraded } = state;
  if (translated) return { to, port: at, masqueraded };
  return here ? 'here' : 'onward';
}

/** From a process of this node: to itself, or out. */
function leave(state: State, packet: Packet): 'drop' | 'reject' | undefined {
  const first = runHooks(state, ['mangle OUTPUT', 'nat OUTPUT']);
  if (first) return first;
  sendToServer(state, packet);
  const here = state.options.localIps.includes(state.destination);
  return runHooks(state, ['filter OUTPUT', here ? 'filter INPUT' : 'nat POSTROUTING']);
}

function arrive(state: State, packet: Packet): 'drop' | 'reject' | undefined {
  const first = runHooks(state, ['mangle PREROUTING', 'nat PREROUTING']);
  if (first) return first;
  if (!state.options.localIps.includes(state.destination))
    return runHooks(state, ['filter FORWARD', 'nat POSTROUTING']);
  const refused = runHooks(state, ['filter INPUT']);
  if (refused || !sendToServer(state, packet)) return refused;
  // What a virtual server sends on comes from this node, as far as the rules can see.
  return state.options.localIps.includes(state.destination) ? undefined : runHooks(state, ['nat POSTROUTING']);
}

function sendToServer(state: State, packet: Packet): boolean {
  const { destination, port, mark, options } = state;
  const server = options.virtual?.({ ...packet, destination, port }, mark);
  if (!server) return false;
  state.destination = server.ip;
  state.port = server.port;
  state.translated = true;
  return true;
}

function runHooks(state: State, hooks: readonly string[]): 'drop' | 'reject' | undefined {
  for (const hook of hooks) {
    const [table, chain] = hook.split(' ') as [string, string];
    const outcome = runChain(state, table, chain);
    if (outcome === 'drop' || outcome === 'reject') return outcome;
  }
  return undefined;
}

function runChain(state: State, table: string, name: string): Outcome {
  const rules = state.options.table(table).get(name);
  if (!rules) throw new Error(`no chain ${name} in table ${table}`);
  for (const rule of rules) {
    const outcome = runRule(state, table, rule);
    if (outcome === 'next') continue;
    if (outcome === 'return') return 'return';
    return outcome;
  }
  return 'return';
}

function runRule(state: State, table: string, rule: string): Outcome | 'next' {
  const words = wordsOf(rule);
  while (words.length > 0) {
    const word = words.shift()!;
    if (word === '-j') return runTarget(state, table, words);
    const negated = word === '!';
    const option = negated ? words.shift()! : word;
    const match = MATCHES[option];
    if (!match) throw new Error(`unknown option: ${option} in ${rule}`);
    if (match(state, words) === negated) return 'next';
  }
  return 'next';
}

function wordsOf(rule: string): string[] {
  return [...rule.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
}

type Match = (state: State, words: string[]) => boolean;

/** Each takes its words; one that only loads an extension holds. */
const MATCHES: Readonly<Record<string, Match>> = {
  '-m': (state, words) => loadExtension(state, words),
  '--comment': (_, words) => words.shift() !== undefined,
  '-s': ({ source }, words) => contains(words.shift()!, source),
  '-d': ({ destination }, words) => contains(words.shift()!, destination),
  '-p': ({ protocol }, words) => words.shift() === protocol,
  '--dport': ({ port }, words) => Number(words.shift()) === port,
  '--ctstate': (_, words) => words.shift()!.split(',').includes('NEW'),
  '--mark': ({ mark }, words) => {
    const [value, mask] = words.shift()!.split('/').map(Number);
    return (mark & mask!) === value;
  },
  '--match-set': (state, words) => findInSet(state, words.shift()!, words.shift()!) !== undefined,
  '--src-type': ({ source, options }, words) => isLocal(source, options, words.shift()!),
  '--dst-type': ({ destination, options }, words) => isLocal(destination, options, words.shift()!),
};

function loadExtension(state: State, words: string[]): boolean {
  const name = words.shift()!;
  if (name === 'recent') return recent(state, words);
  if (name === 'statistic') return statistic(state, words);
  if (!['comment', 'tcp', 'udp', 'sctp', 'conntrack', 'mark', 'addrtype', 'set'].includes(name))
    throw new Error(`unknown extension: ${name}`);
  return true;
}

/** `--name N --set`, or `--name N --rcheck --seconds S --reap`. */
function recent({ options, source }: State, words: string[]): boolean {
  const [, list, action] = words.splice(0, 3);
  const clients = options.recent.get(list!) ?? new Set<string>();
  options.recent.set(list!, clients);
  if (action === '--set') return clients.add(source) !== undefined;
  const rest = words.splice(0, 3).join(' ');
  if (action !== '--rcheck' || !/^--seconds \d+ --reap$/.test(rest))
    throw new Error(`unknown option: ${action} ${rest}`);
  return clients.has(source);
}

/** What the element that a packet is in carries; `directions` say which of its addresses and ports are looked up. */
function findInSet({ options, source, destination, port, protocol }: State, name: string, directions: string) {
  const set = options.sets?.(name);
  if (!set) throw new Error(`no set ${name}`);
  const values: Record<string, string[]> = {
    dst: [destination],
    'dst,dst': [destination, `${protocol}:${port}`],
    'dst,dst,src': [destination, `${protocol}:${port}`, source],
  };
  const parts = values[directions];
  if (!parts) throw new Error(`unknown directions: ${directions}`);
  const matches = (element: string) =>
    element
      .split(',')
      .every((part, index) => part === parts[index] || (part.includes('/') && contains(part, parts[index]!)));
  return [...set].find(([element]) => matches(element))?.[1];
}

/** One of the endpoints that are left is as likely as another: 1/n. */
function statistic({ options }: State, words: string[]): boolean {
  const [mode, kind, option, probability] = words.splice(0, 4);
  if (mode !== '--mode' || kind !== 'random' || option !== '--probability') throw new Error(`unknown option: ${mode}`);
  const ways = 1 / Number(probability);
  if (Math.abs(ways - Math.round(ways)) > 1e-3) throw new Error(`no equal share: ${probability}`);
  return options.choose(2) === 0;
}

function isLocal(ip: string, { localIps }: TraceOptions, type: string): boolean {
  if (type !== 'LOCAL') throw new Error(`unknown address type: ${type}`);
  return localIps.includes(ip);
}

type Target = (state: State, words: readonly string[]) => Outcome | 'next';

const TARGETS: Readonly<Record<string, Target>> = {
  ACCEPT: () => 'accept',
  DROP: () => 'drop',
  REJECT: () => 'reject',
  RETURN: () => 'return',
  MARK: (state, [option, argument]) => {
    if (option !== '--set-xmark') throw new Error(`unknown option: ${option}`);
    const [value, mask] = argument!.split('/').map(Number);
    state.mark = (state.mark & ~mask!) ^ value!;
    return 'next';
  },
  SET: (state, [option, name, directions, what]) => {
    if (option !== '--map-set' || what !== '--map-mark') throw new Error(`unknown option: ${option} ${what}`);
    const [, value, mask] = /^skbmark (\S+)\/(\S+)$/.exec(findInSet(state, name!, directions!) ?? '') ?? [];
    if (value) state.mark = ((state.mark & ~Number(mask)) ^ Number(value)) >>> 0;
    return 'next';
  },
  MASQUERADE: (state, [option]) => {
    if (option !== '--random-fully') throw new Error(`unknown option: ${option}`);
    state.masqueraded = true;
    return 'accept';
  },
  DNAT: (state, [option, to]) => {
    const [, ip, port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(to ?? '') ?? [];
    if (option !== '--to-destination' || !ip) throw new Error(`unknown option: ${option} ${to}`);
    state.destination = ip;
    state.port = Number(port);
    state.translated = true;
    return 'accept';
  },
};

function runTarget(state: State, table: string, words: readonly string[]): Outcome | 'next' {
  const [name, ...rest] = words;
  const target = TARGETS[name!];
  if (target) return target(state, rest);
  if (rest.length > 0) throw new Error(`unknown target: ${words.join(' ')}`);
  const outcome = runChain(state, table, name!);
  return outcome === 'return' ? 'next' : outcome;
}

function contains(cidr: string, ip: string): boolean {
  const network = parseCidr(cidr);
  return network ? cidrContains(network, parseIp(ip)!) : cidr === ip;
}
