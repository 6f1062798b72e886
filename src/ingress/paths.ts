import type { Rewrite } from './types.ts';

const UNRESERVED = /[A-Za-z0-9\-._~!$&'()*+,;=:@/]/;

/**
 * A path as requests carry it (RFC 3986): what may not stand there is percent-encoded, escapes of unreserved characters
 * are undone and the others are in upper case, as the proxy does with requests.
 */
export function encodePath(path: string): string {
  const encoded = path.replaceAll(/%[0-9A-Fa-f]{2}|./gsu, (part) => {
    if (part.length === 3 && part.startsWith('%')) return normalEscape(part);
    return UNRESERVED.test(part) ? part : encodeText(part);
  });
  return encoded;
}

function normalEscape(text: string): string {
  const character = String.fromCharCode(Number.parseInt(text.slice(1), 16));
  return /[A-Za-z0-9\-._~]/.test(character) ? character : text.toUpperCase();
}

function encodeText(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

/** The path of a prefix rule: a slash at its end says nothing. */
export function prefixOf(path: string): string {
  return encodePath(path).replace(/\/+$/, '');
}

/** Endings of a path pattern that stand for "and everything below", with the group that holds what is below. */
const REST = [
  { ending: /\(\/\|\$\)\(\.\*\)\$?$/, group: 2 },
  { ending: /\/?\(\/\.\*\)\?\$?$/, group: 1 },
  { ending: /\/\?\(\.\*\)\$?$/, group: 1 },
  { ending: /\/\(\.\*\)\$?$/, group: 1 },
] as const;

/** Rewrites know so many parts of a path. */
const SEGMENTS_MAX = 8;
const PATTERN = /[()[\]{}|\\^$*+?]/;

/** A rule's path, and how it is rewritten. */
export interface RewrittenPath {
  readonly path: string;
  readonly rewrite?: Rewrite;
}

/**
 * What a path pattern with its `rewrite-target` means: `/app(/|$)(.*)` with `/$2` takes `/app` away. Regular expressions
 * beyond these well-known forms are not run on requests. Throws a sentence for them.
 */
export function rewritePath(path: string, target: string | undefined): RewrittenPath {
  const form = REST.find(({ ending }) => ending.test(path));
  const literal = (form ? path.replace(form.ending, '') : path).replace(/^\^/, '');
  if (form ? PATTERN.test(literal) : target !== undefined && PATTERN.test(literal))
    throw new Error(
      `path ${JSON.stringify(path)} is a pattern that is not understood; only endings such as "(/|$)(.*)" are`,
    );
  if (target === undefined) return { path: literal || '/' };
  const rewrite = rewriteOf({ literal, target, group: form?.group });
  return { path: literal || '/', rewrite };
}

function rewriteOf({
  literal,
  target,
  group,
}: {
  literal: string;
  target: string;
  group: number | undefined;
}): Rewrite {
  if (!target.startsWith('/')) throw new Error(`rewrite-target ${JSON.stringify(target)} must be an absolute path`);
  const reference = /\$(\d)/.exec(target);
  if (!reference) return { kind: 'whole', path: encodePath(target) };
  const segments = literal.split('/').filter(Boolean).length;
  const before = target.slice(0, reference.index);
  if (Number(reference[1]) !== group || !target.endsWith(reference[0]) || !before.endsWith('/') || before.includes('$'))
    throw new Error(
      `rewrite-target ${JSON.stringify(target)} is not understood: only a path that ends in "/$${group ?? 1}" is`,
    );
  if (segments > SEGMENTS_MAX) throw new Error(`rewrite-target: a path may have ${SEGMENTS_MAX} parts at most`);
  return { kind: 'prefix', segments, prefix: prefixOf(before) };
}
