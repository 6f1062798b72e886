import type { FakeTable } from '../../host/nft-fake.ts';
import { cidrContains, parseCidr, parseIp } from '../../lib/ip.ts';
import type { Fate, Packet } from '../fate.ts';

export interface TraceOptions {
  table: FakeTable;
  /** This node's addresses. */
  localIps: readonly string[];
  /** What `numgen random mod` gives. */
  choose: (count: number) => number;
  /** Clients that are remembered, from packet to packet. */
  affinity: Map<string, string>;
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
/** A statement goes on to the next one, leaves the rule, or ends: with a verdict, or in another chain. */
type Step = 'next' | 'break' | { readonly verdict: Verdict } | { readonly goto: string };

/** Follows a packet through the rules. Throws at any statement that it does not know. */
export function trace(packet: Packet, options: TraceOptions): Fate {
  const { source, destination, port, protocol, ownProcess } = packet;
  const state: State = { options, source, destination, port, protocol, mark: 0, translated: false, masqueraded: false };
  const first = runHook(state, ownProcess ? 'output' : 'prerouting');
  if (first !== 'accept') return first;
  if (!ownProcess && options.localIps.includes(state.destination)) return deliver(state, 'input', 'here');
  if (!ownProcess) {
    const verdict = runHook(state, 'forward');
    if (verdict !== 'accept') return verdict;
  }
  return deliver(state, 'postrouting', 'onward');
}

function deliver(state: State, hook: string, otherwise: 'here' | 'onward'): Fate {
  const verdict = runHook(state, hook);
  if (verdict !== 'accept') return verdict;
  const { translated, destination: to, port, masqueraded } = state;
  return translated ? { to, port, masqueraded } : otherwise;
}

const PRIORITIES: Readonly<Record<string, number>> = { dstnat: -100, filter: 0, srcnat: 100 };

function runHook(state: State, hook: string): Verdict {
  const at: { priority: number; rules: readonly string[] }[] = [];
  for (const { hook: line, rules } of state.options.table.chains.values()) {
    const [, where, priority] = /^type \w+ hook (\w+) priority (\S+); policy accept;$/.exec(line ?? '') ?? [];
    if (where === hook) at.push({ priority: PRIORITIES[priority!] ?? Number(priority), rules });
  }
  for (const { rules } of at.sort((a, b) => a.priority - b.priority)) {
    const verdict = runRules(state, rules);
    if (verdict !== 'accept') return verdict;
  }
  return 'accept';
}

function runRules(state: State, rules: readonly string[]): Verdict {
  for (const rule of rules) {
    const step = runRule(state, rule);
    if (step === 'next' || step === 'break') continue;
    if ('verdict' in step) return step.verdict;
    const chain = state.options.table.chains.get(step.goto);
    if (!chain) throw new Error(`no chain ${step.goto}`);
    return runRules(state, chain.rules);
  }
  return 'accept';
}

function runRule(state: State, rule: string): Step {
  let rest = rule;
  while (rest !== '') {
    const [matched, step] = runStatement(state, rest);
    if (step !== 'next') return step;
    rest = rest.slice(matched).trimStart();
  }
  return 'next';
}

function runStatement(state: State, text: string): [number, Step] {
  for (const [pattern, effect] of STATEMENTS) {
    const match = pattern.exec(text);
    if (match) return [match[0].length, effect(state, match)];
  }
  throw new Error(`unknown statement: ${text}`);
}

const FRONTEND = 'ip6? daddr \\. meta l4proto \\. th dport';

const STATEMENTS: readonly (readonly [RegExp, (state: State, match: RegExpExecArray) => Step])[] = [
  [/^ip6? saddr != (\S+\/\d+)/, ({ source }, [, cidr]) => when(!contains(cidr!, source))],
  [/^fib saddr type != local/, ({ source, options }) => when(!options.localIps.includes(source))],
  [/^ct state new/, () => 'next'],
  [/^ct status dnat/, ({ translated }) => when(translated)],
  [
    /^ip6? saddr \. ip6? daddr @(\w+)/,
    (state, [, name]) => when(mapOf(state, name!).has(`${state.source} . ${state.destination}`)),
  ],
  [
    statement(`${FRONTEND} \\. ip6? saddr @(\\w+)`),
    (state, [, name]) => when([...mapOf(state, name!).keys()].some((element) => admits(element, state))),
  ],
  [statement(`${FRONTEND} vmap @(\\w+)`), (state, [, name]) => toStep(mapOf(state, name!).get(frontend(state)))],
  [
    statement(`${FRONTEND} \\. meta mark vmap @(\\w+)`),
    (state, [, name]) => toStep(mapOf(state, name!).get(`${frontend(state)} . ${hex(state.mark)}`)),
  ],
  [/^ip6? daddr (\S+\/\d+)/, ({ destination }, [, cidr]) => when(contains(cidr!, destination))],
  [/^goto (\S+)/, (_, [, chain]) => ({ goto: chain! })],
  [/^meta mark & (0x\w+) == (0x\w+)/, ({ mark }, [, mask, value]) => when((mark & Number(mask)) === Number(value))],
  [
    /^meta mark set numgen random mod (\d+) offset (\d+)/,
    (state, [, count, offset]) => setMark(state, state.options.choose(Number(count)) + Number(offset)),
  ],
  [/^meta mark set (0x\w+)/, (state, [, value]) => setMark(state, Number(value))],
  [
    statement(`meta mark set ip6? saddr \\. ${FRONTEND} map @affinity`),
    (state) => setMark(state, state.options.affinity.get(`${state.source} . ${frontend(state)}`)),
  ],
  [
    statement(`meta mark set ${FRONTEND} \\. meta mark map @(\\w+)`),
    (state, [, name]) => setMark(state, mapOf(state, name!).get(`${frontend(state)} . ${hex(state.mark)}`)),
  ],
  // With IPv6, clients are remembered together with their slot.
  [
    statement(`ip6 saddr \\. ${FRONTEND} \\. meta mark @affinity`),
    (state) => when(state.options.affinity.has(clientWithSlot(state))),
  ],
  [
    statement(`update @affinity \\{ ip6 saddr \\. ${FRONTEND} \\. meta mark timeout \\d+s \\}`),
    (state) => {
      state.options.affinity.set(clientWithSlot(state), '');
      return 'next';
    },
  ],
  [
    statement(`update @affinity \\{ ip6? saddr \\. ${FRONTEND} timeout \\d+s : meta mark \\}`),
    (state) => {
      const { affinity } = state.options;
      const key = `${state.source} . ${frontend(state)}`;
      // As in the kernel: what is there gets more time, but keeps its data.
      if (!affinity.has(key)) affinity.set(key, hex(state.mark));
      return 'next';
    },
  ],
  [
    statement(`delete @affinity \\{ ip6? saddr \\. ${FRONTEND} : meta mark \\}`),
    (state) => {
      state.options.affinity.delete(`${state.source} . ${frontend(state)}`);
      return 'next';
    },
  ],
  [/^meta l4proto \{ ([\w, ]+) \}/, ({ protocol }, [, list]) => when(list!.split(', ').includes(protocol))],
  [/^meta l4proto (\w+)/, ({ protocol }, [, name]) => when(protocol === name)],
  [statement(`dnat ip6? to ${FRONTEND} \\. meta mark map @endpoints`), translate],
  [
    /^masquerade fully-random$/,
    (state) => {
      state.masqueraded = true;
      return { verdict: 'accept' };
    },
  ],
  [/^reject with tcp reset$/, () => ({ verdict: 'reject' })],
  [/^accept$/, () => ({ verdict: 'accept' })],
  [/^drop$/, () => ({ verdict: 'drop' })],
  [/^reject$/, () => ({ verdict: 'reject' })],
];

function statement(pattern: string): RegExp {
  return new RegExp(`^${pattern}`);
}

function translate(state: State): Step {
  const to = mapOf(state, 'endpoints').get(`${frontend(state)} . ${hex(state.mark)}`);
  if (to === undefined) return 'break';
  const [ip, port] = to.split(' . ');
  state.destination = ip!;
  state.port = Number(port);
  state.translated = true;
  return { verdict: 'accept' };
}

/** An element of frontends and the clients that may come to them: `192.0.2.2 . tcp . 80 . 10.0.0.0/8`. */
function admits(element: string, state: State): boolean {
  const at = element.lastIndexOf(' . ');
  return element.slice(0, at) === frontend(state) && contains(element.slice(at + 3), state.source);
}

function setMark(state: State, value: number | string | undefined): Step {
  if (value === undefined) return 'break';
  state.mark = Number(value);
  return 'next';
}

function toStep(verdict: string | undefined): Step {
  if (verdict === undefined) return 'break';
  if (verdict === 'drop') return { verdict: 'drop' };
  const chain = /^goto (\S+)$/.exec(verdict)?.[1];
  if (chain === undefined) throw new Error(`unknown verdict: ${verdict}`);
  return { goto: chain };
}

function mapOf({ options }: State, name: string): ReadonlyMap<string, string> {
  const map = options.table.maps.get(name);
  if (!map) throw new Error(`no map ${name}`);
  return map;
}

function frontend({ destination, protocol, port }: State): string {
  return `${destination} . ${protocol} . ${port}`;
}

function clientWithSlot(state: State): string {
  return `${state.source} . ${frontend(state)} . ${hex(state.mark)}`;
}

function contains(cidr: string, ip: string): boolean {
  return cidrContains(parseCidr(cidr)!, parseIp(ip)!);
}

function when(condition: boolean): Step {
  return condition ? 'next' : 'break';
}

function hex(mark: number): string {
  return `0x${mark.toString(16).padStart(8, '0')}`;
}
