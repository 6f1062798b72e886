import { parseUpstream } from './forward.ts';
import { type HostTable, NO_HOSTS, parseHosts } from './hosts.ts';
import { type NameKey, nameKey } from './name.ts';

/** What a cluster's administrator says of names that are not the cluster's. */
export interface DnsSettings {
  /** Servers for names of no stub domain, `address` or `address:port`. */
  readonly upstreams: readonly string[];
  /** Zone → its servers. */
  readonly stubDomains: ReadonlyMap<NameKey, readonly string[]>;
  readonly hosts: HostTable;
  /** Whether every query is told in the log. */
  readonly log: boolean;
}

export const NO_SETTINGS: DnsSettings = { upstreams: [], stubDomains: new Map(), hosts: NO_HOSTS, log: false };

const KEYS = ['upstreamNameservers', 'stubDomains', 'hosts', 'log'];

/**
 * Reads the ConfigMap `kube-system/kube-dns` (`upstreamNameservers` and `stubDomains` in JSON, as kube-dns has them, `hosts`
 * as in hosts(5), `log: "true"`). Throws an error that names the key and the rule.
 */
export function parseSettings(data: Readonly<Record<string, string>>): DnsSettings {
  const unknown = Object.keys(data).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw new Error(`${unknown}: expected one of ${KEYS.join(', ')}`);
  const upstreams = parsed('upstreamNameservers', data) ?? [];
  const stubs = parsed('stubDomains', data) ?? {};
  if (!isRecord(stubs)) throw new Error('stubDomains: expected a JSON object of domains and their servers');
  return {
    upstreams: servers('upstreamNameservers', upstreams),
    stubDomains: new Map(
      Object.entries(stubs).map(([name, list]) => [zone(name), servers(`stubDomains.${name}`, list)]),
    ),
    hosts: parseHosts(data['hosts'] ?? ''),
    log: data['log'] === 'true',
  };
}

function parsed(key: string, data: Readonly<Record<string, string>>): unknown {
  try {
    return data[key] ? JSON.parse(data[key]) : undefined;
  } catch (error) {
    throw new Error(`${key}: expected JSON: ${(error as Error).message}`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function zone(name: string): NameKey {
  const key = nameKey(name);
  if (!key) throw new Error(`stubDomains: ${JSON.stringify(name)} is no domain name`);
  return key;
}

const SERVERS_MAX = 3;

function servers(key: string, list: unknown): string[] {
  const texts = Array.isArray(list) ? list.map(String) : undefined;
  if (!texts || texts.length > SERVERS_MAX)
    throw new Error(`${key}: expected a JSON list of at most ${SERVERS_MAX} servers`);
  for (const text of texts) parseUpstream(text);
  return texts;
}
