import { cidrAddress, cidrSize, formatIp, parseCidr, parseIp, subnet } from '../lib/ip.ts';
import { TYPE } from './codes.ts';
import { firstLabel, keyText, labelKey, type NameKey, nameKey, parentKey, reverseName } from './name.ts';
import type { DnsRecord } from './records.ts';
import { type Section, type Target, writeSection } from './section.ts';

/** What one owner, such as a Service, puts into the zone. */
export interface Entries {
  readonly records: readonly DnsRecord[];
  /** Names that exist without records of their own (RFC 8020). */
  readonly names?: readonly string[];
}

/** Records of one type at one name, ready to be copied behind any question for that name. */
export interface Prepared {
  readonly answers: Section;
  readonly additionals: Section;
}

export type Lookup =
  | { readonly found: 'records'; readonly prepared: Prepared }
  /** The name is another name for `target`. */
  | { readonly found: 'alias'; readonly target: NameKey; readonly prepared: Prepared }
  | { readonly found: 'no-data' | 'no-name' };

export interface ZoneOptions {
  /** For example `cluster.local`. */
  readonly domain: string;
  /** Networks whose reverse names belong to the cluster, such as those of Services and Pods. */
  readonly reverseCidrs: readonly string[];
  readonly ttlSeconds: number;
}

interface NameNode {
  /** Those of all owners; each record is there by its identity. */
  records: DnsRecord[];
  /** What keeps the name in being besides records: names below it, and owners that listed it. */
  holds: number;
  /** By record type; dropped whenever `records` changes. */
  prepared: Map<number, Prepared> | undefined;
}

const NO_DATA = { found: 'no-data' } as const;
const NO_NAME = { found: 'no-name' } as const;
/** Shared by all names that only lead to others. */
const NONE: DnsRecord[] = [];
const EMPTY: Section = { octets: Buffer.alloc(0), ends: [] };

/**
 * All names of the cluster with their records. One owner's entries are replaced at a time, at a cost that depends on
 * that owner alone; answers are encoded at their first question and kept until their name changes.
 */
export class Zone {
  readonly options: ZoneOptions;
  /** Of the SOA record; whoever changes the zone moves it on. */
  serial = 1;
  readonly #nodes = new Map<NameKey, NameNode>();
  readonly #owners = new Map<string, Entries>();
  readonly #apexes: ReadonlySet<NameKey>;
  readonly #pods: NameKey;

  constructor(options: ZoneOptions) {
    this.options = options;
    const domain = requireKey(options.domain);
    this.#apexes = new Set([domain, ...options.reverseCidrs.flatMap(reverseApexes).map(requireKey)]);
    this.#pods = labelKey('pod') + domain;
    for (const apex of this.#apexes) this.#node(apex).holds++;
  }

  /** Number of names, those without records included. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Replaces all that `owner` has; no entries removes it. */
  set(owner: string, entries?: Entries): void {
    const old = this.#owners.get(owner);
    if (entries) {
      this.#owners.set(owner, entries);
      for (const record of entries.records) this.#add(record);
      for (const name of entries.names ?? []) this.#hold(nameKey(name));
    } else this.#owners.delete(owner);
    if (old) this.#drop(old);
  }

  /** The innermost zone of this server that `key` lies in. */
  apexOf(key: NameKey): NameKey | undefined {
    for (let at: NameKey | undefined = key; at !== undefined; at = parentKey(at)) if (this.#apexes.has(at)) return at;
    return undefined;
  }

  /** `type` is a number of {@link TYPE} or any other; ANY finds the name's first kind of records (RFC 8482, 4.1). */
  lookup(key: NameKey, type: number): Lookup {
    const node = this.#nodes.get(key);
    if (!node) return this.#lookupPod(key, type);
    const prepared = node.prepared?.get(type) ?? this.#prepare(key, node, type);
    if (prepared.answers.ends.length > 0) return { found: 'records', prepared };
    const alias = node.records.find((record) => record.type === 'CNAME');
    if (alias?.type !== 'CNAME') return NO_DATA;
    const target = nameKey(alias.data);
    return target === undefined ? NO_DATA : { found: 'alias', target, prepared: this.#prepare(key, node, TYPE.CNAME) };
  }

  /** The records of `type` at `name`, as they stand behind a question for another name. */
  sectionFor(question: NameKey, name: NameKey, type: number): Section {
    const { ttlSeconds } = this.options;
    const pod = this.#podRecord(name);
    const records = pod ? [pod] : (this.#nodes.get(name)?.records ?? []);
    const wanted = records.filter((record) => TYPE[record.type] === type || type === TYPE.ANY);
    return writeSection(
      question,
      wanted.map((record) => toTarget(name, record)),
      ttlSeconds,
    );
  }

  #lookupPod(key: NameKey, type: number): Lookup {
    const record = this.#podRecord(key);
    if (!record) return NO_NAME;
    if (type !== TYPE[record.type] && type !== TYPE.ANY) return NO_DATA;
    const answers = writeSection(key, [toTarget(key, record)], this.options.ttlSeconds);
    return { found: 'records', prepared: { answers, additionals: EMPTY } };
  }

  /** Pods have a name for any address in a namespace that exists (section 2.6 of the specification). */
  #podRecord(key: NameKey): DnsRecord | undefined {
    const namespace = parentKey(key);
    if (!namespace || parentKey(namespace) !== this.#pods || !this.#nodes.has(namespace)) return undefined;
    const label = firstLabel(key);
    const ip = parseIp(label.replaceAll('-', '.')) ?? parseIp(label.replaceAll('-', ':'));
    return ip && { name: keyText(key), type: ip.family === 4 ? 'A' : 'AAAA', data: formatIp(ip) };
  }

  #prepare(key: NameKey, node: NameNode, type: number): Prepared {
    const known = node.prepared?.get(type);
    if (known) return known;
    const wanted = type === TYPE.ANY ? TYPE[node.records[0]?.type ?? 'A'] : type;
    const records = node.records.filter((record) => TYPE[record.type] === wanted);
    const prepared = records.length === 0 ? NOTHING : this.#encode(key, records);
    // Absent types are not kept: a client may ask for any of 65,536.
    if (prepared !== NOTHING) {
      node.prepared ??= new Map();
      node.prepared.set(type, prepared);
    }
    return prepared;
  }

  #encode(key: NameKey, records: readonly DnsRecord[]): Prepared {
    const { ttlSeconds } = this.options;
    const answers = records.map((record) => toTarget(key, record));
    const targets = new Set(records.flatMap((record) => (record.type === 'SRV' ? [record.data.target] : [])));
    const additionals = [...targets].flatMap((target) => this.#addresses(nameKey(target)));
    return {
      answers: writeSection(key, answers, ttlSeconds),
      additionals: additionals.length === 0 ? EMPTY : writeSection(key, additionals, ttlSeconds),
    };
  }

  #addresses(owner: NameKey | undefined): Target[] {
    const node = owner === undefined ? undefined : this.#nodes.get(owner);
    return (node?.records ?? []).flatMap((record) =>
      record.type === 'A' || record.type === 'AAAA' ? [toTarget(owner!, record)] : [],
    );
  }

  #add(record: DnsRecord): void {
    const key = nameKey(record.name);
    if (key === undefined) return;
    const node = this.#node(key);
    if (node.records === NONE) node.records = [record];
    else node.records.push(record);
    node.prepared = undefined;
  }

  #hold(key: NameKey | undefined): void {
    if (key !== undefined) this.#node(key).holds++;
  }

  /** The node of `key`, made with all its ancestors when missing. */
  #node(key: NameKey): NameNode {
    let node = this.#nodes.get(key);
    if (node) return node;
    node = { records: NONE, holds: 0, prepared: undefined };
    this.#nodes.set(key, node);
    const parent = parentKey(key);
    if (parent !== undefined) this.#node(parent).holds++;
    return node;
  }

  /** Takes away the records of `old` themselves: what their owner has set since stays. */
  #drop(old: Entries): void {
    const gone = new Set<DnsRecord>(old.records);
    for (const name of new Set(old.records.map((record) => record.name))) {
      const key = nameKey(name);
      const node = key === undefined ? undefined : this.#nodes.get(key);
      if (!node) continue;
      node.records = node.records.filter((record) => !gone.has(record));
      node.prepared = undefined;
      this.#prune(key!, node);
    }
    for (const name of old.names ?? []) this.#release(nameKey(name));
  }

  #release(key: NameKey | undefined): void {
    const node = key === undefined ? undefined : this.#nodes.get(key);
    if (!node) return;
    node.holds--;
    this.#prune(key!, node);
  }

  #prune(key: NameKey, node: NameNode): void {
    if (node.records.length > 0 || node.holds > 0) return;
    this.#nodes.delete(key);
    const parent = parentKey(key);
    if (parent !== undefined) this.#release(parent);
  }
}

const NOTHING: Prepared = { answers: EMPTY, additionals: EMPTY };

function toTarget(owner: NameKey, { type, data }: DnsRecord): Target {
  return { owner, type, data } as Target;
}

function requireKey(name: string): NameKey {
  const key = nameKey(name);
  if (key === undefined) throw new RangeError(`Cannot serve zone "${name}": expected a domain name`);
  return key;
}

/** Zones on whole octets (nibbles for IPv6) that cover a network: up to 128 when its prefix lies between two. */
function reverseApexes(text: string): string[] {
  const cidr = parseCidr(text);
  if (!cidr) throw new RangeError(`Cannot serve reverse names of "${text}": expected address/prefix`);
  const step = cidr.family === 4 ? 8 : 4;
  const prefix = Math.ceil(cidr.prefix / step) * step;
  const labels = (cidr.family === 4 ? 32 : 128) / step - prefix / step;
  const count = Number(cidrSize(cidr) / cidrSize({ ...cidr, prefix }));
  return Array.from({ length: count }, (_, index) => {
    const name = reverseName(cidrAddress(subnet(cidr, prefix, index), 0));
    return name.split('.').slice(labels).join('.');
  });
}
