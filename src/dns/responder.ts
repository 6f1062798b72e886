import { CLASS, FLAG, RCODE, type Rcode, TYPE } from './codes.ts';
import { type HostTable, hostAnswer, NO_HOSTS } from './hosts.ts';
import {
  isQuery,
  opcodeOf,
  type Query,
  type Reply,
  readQuery,
  TCP_OCTETS_MAX,
  udpLimit,
  writeError,
  writeReply,
} from './message.ts';
import type { DnsMetrics } from './metrics.ts';
import type { NameKey } from './name.ts';
import { concatSections, encodeSoa, type Section, soaSection } from './section.ts';
import type { Lookup, Prepared, Zone } from './zone.ts';

export type Proto = 'udp' | 'tcp';

/** An upstream's whole response to `query`, with its id; undefined when none came in time. Never rejects. */
export type Ask = (query: Query, proto: Proto) => Promise<Buffer | undefined>;

/** Where questions for other zones go. */
export interface Forwarder {
  readonly forward: Ask;
  /** Records of `type` at `name` for the end of an alias chain, with whole names; undefined on failure. */
  resolve(name: NameKey, type: number): Promise<Section | undefined>;
}

export interface ResponderOptions {
  readonly zone: Zone;
  /** False until the caches have synced: what is not known yet is no proof that it does not exist. */
  readonly ready: () => boolean;
  /** In [0, 1): which of several records comes first. */
  readonly random: () => number;
  readonly metrics: DnsMetrics;
  /** Who is asked for a name of no zone here; undefined: nobody. The root's stands for names in general. */
  readonly forwarderFor?: (name: NameKey) => Forwarder | undefined;
  /** Names with fixed addresses, outside the zones. */
  readonly hosts?: () => HostTable;
  /** Is told of every response. */
  readonly onResponse?: (query: Query, proto: Proto, response: Buffer) => void;
}

type Finish = (reply: Omit<Reply, 'maxOctets'>) => Buffer;

const ALIAS_HOPS_MAX = 8;
const SOA_TIMES = { refresh: 7200, retry: 1800, expire: 86_400 } as const;

/** From the octets of a query to those of its response; knows nothing of sockets. */
export class Responder {
  readonly #options: ResponderOptions;
  #soa: { serial: number; octets: Buffer } | undefined;

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** Undefined: no response is due. A promise only where an upstream has to be asked. */
  respond(packet: Buffer, proto: Proto): Buffer | undefined | Promise<Buffer> {
    const { metrics } = this.#options;
    if (!isQuery(packet)) {
      metrics.dropped++;
      return undefined;
    }
    metrics.queries[proto]++;
    if (opcodeOf(packet) !== 0) return this.#error(packet, RCODE.NOTIMP);
    const query = readQuery(packet);
    if (!query) return this.#error(packet, RCODE.FORMERR);
    const maxOctets = proto === 'udp' ? udpLimit(query) : TCP_OCTETS_MAX;
    const finish: Finish = (reply) =>
      this.#sent(query, proto, this.#count(writeReply(query, { ...reply, maxOctets }), reply.rcode));
    if (query.edns && query.edns.version > 0) return finish({ rcode: RCODE.BADVERS });
    if (query.class !== CLASS.IN && query.class !== CLASS.ANY) return finish({ rcode: RCODE.REFUSED });
    return this.#answer(query, proto, finish);
  }

  #answer(query: Query, proto: Proto, finish: Finish): Buffer | Promise<Buffer> {
    const { zone, ready } = this.#options;
    const lookup = zone.lookup(query.name, query.type);
    if (lookup.found === 'records' && ready()) return finish(this.#positive(lookup.prepared));
    const apex = zone.apexOf(query.name);
    if (apex === undefined) return this.#foreign(query, proto, finish);
    if (!ready()) return finish({ rcode: RCODE.SERVFAIL });
    if (lookup.found === 'alias') return this.#alias(query, lookup, finish);
    if (apex === query.name && (query.type === TYPE.SOA || query.type === TYPE.ANY))
      return finish({ rcode: RCODE.NOERROR, flags: this.#flags(), answers: this.#soaOf(query.name, apex) });
    return finish(this.#negative(query.name, apex, lookup.found));
  }

  #positive({ answers, additionals }: Prepared): Omit<Reply, 'maxOctets'> {
    const count = answers.ends.length;
    const first = count > 1 ? Math.floor(this.#options.random() * count) : 0;
    return { rcode: RCODE.NOERROR, flags: this.#flags(), answers, first, additionals };
  }

  #negative(question: NameKey, apex: NameKey, found: Lookup['found'], answers?: Section): Omit<Reply, 'maxOctets'> {
    const rcode = found === 'no-name' ? RCODE.NXDOMAIN : RCODE.NOERROR;
    const authorities = this.#soaOf(question, apex);
    return { rcode, flags: this.#flags(), authorities, ...(answers && { answers }) };
  }

  /** The chain of names is followed as far as it stays in the cluster; the response code is its last name's (RFC 6604). */
  #alias(query: Query, start: Extract<Lookup, { found: 'alias' }>, finish: Finish): Buffer | Promise<Buffer> {
    const { zone } = this.#options;
    const chain: Section[] = [start.prepared.answers];
    let target = start.target;
    for (let hops = 0; hops < ALIAS_HOPS_MAX; hops++) {
      const apex = zone.apexOf(target);
      if (apex === undefined) return this.#aliasOutside(query, target, chain, finish);
      const { answers, next } = this.#hop(query, target);
      if (answers) chain.push(answers);
      if (next.found !== 'alias') return finish(this.#aliasEnd(query, apex, next.found, concatSections(chain)));
      target = next.target;
    }
    return finish({ rcode: RCODE.SERVFAIL });
  }

  #hop(query: Query, name: NameKey): { next: Lookup; answers?: Section } {
    const next = this.#options.zone.lookup(name, query.type);
    if (next.found === 'no-data' || next.found === 'no-name') return { next };
    return {
      next,
      answers: this.#options.zone.sectionFor(query.name, name, next.found === 'alias' ? TYPE.CNAME : query.type),
    };
  }

  #aliasEnd(query: Query, apex: NameKey, found: Lookup['found'], answers: Section): Omit<Reply, 'maxOctets'> {
    if (found === 'records') return { rcode: RCODE.NOERROR, flags: this.#flags(), answers };
    return this.#negative(query.name, apex, found, answers);
  }

  /** Without upstreams the alias alone is the answer, and whoever asked follows it elsewhere. */
  #aliasOutside(query: Query, target: NameKey, chain: Section[], finish: Finish): Buffer | Promise<Buffer> {
    const done = (more: readonly Section[]) =>
      finish({ rcode: RCODE.NOERROR, flags: this.#flags(), answers: concatSections([...chain, ...more]) });
    const forwarder = this.#options.forwarderFor?.(target);
    if (!forwarder) return done([]);
    return forwarder.resolve(target, query.type).then((section) => {
      return section ? done([section]) : finish({ rcode: RCODE.SERVFAIL });
    });
  }

  #foreign(query: Query, proto: Proto, finish: Finish): Buffer | Promise<Buffer> {
    const { metrics, zone } = this.#options;
    const fixed = hostAnswer(this.#options.hosts?.() ?? NO_HOSTS, query, zone.options.ttlSeconds);
    if (fixed) return finish({ rcode: RCODE.NOERROR, flags: this.#flags(), answers: fixed });
    const forwarder = this.#options.forwarderFor?.(query.name);
    if (!forwarder) return finish({ rcode: RCODE.REFUSED });
    metrics.forwarded++;
    return forwarder.forward(query, proto).then((response) => {
      if (!response) return finish({ rcode: RCODE.SERVFAIL });
      return this.#sent(query, proto, this.#count(response, (response[3]! & 15) as Rcode));
    });
  }

  #soaOf(question: NameKey, apex: NameKey): Section {
    const { zone } = this.#options;
    if (this.#soa?.serial !== zone.serial) this.#soa = { serial: zone.serial, octets: this.#encodeSoa() };
    return soaSection(question, apex, this.#soa.octets);
  }

  #encodeSoa(): Buffer {
    const { serial, options } = this.#options.zone;
    const mname = `ns.dns.${options.domain}`;
    return encodeSoa({
      mname,
      rname: `hostmaster.${options.domain}`,
      serial,
      minimum: options.ttlSeconds,
      ...SOA_TIMES,
    });
  }

  #flags(): number {
    return FLAG.AA | (this.#options.forwarderFor?.('') ? FLAG.RA : 0);
  }

  #sent(query: Query, proto: Proto, response: Buffer): Buffer {
    this.#options.onResponse?.(query, proto, response);
    return response;
  }

  #error(packet: Buffer, rcode: Rcode): Buffer {
    return this.#count(writeError(packet, rcode), rcode);
  }

  #count(response: Buffer, rcode: Rcode): Buffer {
    const { metrics } = this.#options;
    metrics.responses[rcode] = (metrics.responses[rcode] ?? 0) + 1;
    if ((response[2]! & (FLAG.TC >> 8)) !== 0) metrics.truncated++;
    return response;
  }
}
