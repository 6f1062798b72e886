import { createHash } from 'node:crypto';

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** Ten characters for a value, whatever the order of its keys. A collision count that is not 0 makes others. */
export function stableHash(value: unknown, collisionCount = 0): string {
  const text = JSON.stringify([sorted(value), ...(collisionCount > 0 ? [collisionCount] : [])]);
  const digest = createHash('sha256').update(text).digest();
  return [...digest.subarray(0, 10)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
