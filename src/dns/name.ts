import { formatIp, type Ip } from '../lib/ip.ts';

/** The longest name on the wire, its final zero octet included (RFC 1035, 2.3.4). */
export const MAX_NAME_OCTETS = 255;
const MAX_LABEL_OCTETS = 63;
const OCTETS = /^[\x00-\xff]*$/;

/**
 * A domain name as an index knows it: each label, in lower case, after one character that is its length; the root is
 * empty. It equals the octets of a question in Latin-1, so that a query is looked up without being parsed into labels.
 */
export type NameKey = string;

/** Undefined when `name` cannot stand on the wire. A final dot is allowed. */
export function nameKey(name: string): NameKey | undefined {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  if (bare === '') return '';
  if (bare.length > MAX_NAME_OCTETS - 2 || !OCTETS.test(bare)) return undefined;
  let key = '';
  for (const label of bare.toLowerCase().split('.')) {
    if (label.length === 0 || label.length > MAX_LABEL_OCTETS) return undefined;
    key += labelKey(label);
  }
  return key;
}

/** One label in the form of a key. */
export function labelKey(label: string): NameKey {
  return String.fromCharCode(label.length) + label;
}

/** The name one label up; undefined for the root. */
export function parentKey(key: NameKey): NameKey | undefined {
  return key === '' ? undefined : key.slice(1 + key.charCodeAt(0));
}

/** The leftmost label; empty for the root. */
export function firstLabel(key: NameKey): string {
  return key === '' ? '' : key.slice(1, 1 + key.charCodeAt(0));
}

/** Readable form without a final dot; octets that are not printable stand as `\ddd` (RFC 4343, 2.1). */
export function keyText(key: NameKey): string {
  const labels: string[] = [];
  for (let rest: NameKey | undefined = key; rest; rest = parentKey(rest)) labels.push(escapeLabel(firstLabel(rest)));
  return labels.join('.');
}

function escapeLabel(label: string): string {
  return label.replace(/[^!-~]|[.\\]/g, (octet) => `\\${octet.charCodeAt(0).toString().padStart(3, '0')}`);
}

/** `4.3.2.1.in-addr.arpa` (RFC 1035, 3.5), or nibbles under `ip6.arpa` (RFC 3596, 2.5). */
export function reverseName(ip: Ip): string {
  if (ip.family === 4) return `${formatIp(ip).split('.').reverse().join('.')}.in-addr.arpa`;
  return `${[...ip.value.toString(16).padStart(32, '0')].reverse().join('.')}.ip6.arpa`;
}

/** An address as the label of a name: `10-244-1-5`, `fd00--1`. */
export function dashedAddress(address: string): string {
  return address.replace(/[.:]/g, '-');
}
