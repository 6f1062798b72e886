import { RE2JS } from '@bufbuild/re2';

interface Matcher {
  test(text: string): boolean;
}

/** Schemas use the same few patterns again and again; older ones are made anew when there are too many. */
const LIMIT = 2000;
const compiled = new Map<string, Matcher | undefined>();

/** A pattern in the syntax of Go (RE2), which takes time in proportion to the text only; undefined when it is none. */
export function compilePattern(pattern: string): Matcher | undefined {
  if (!compiled.has(pattern)) {
    if (compiled.size >= LIMIT) compiled.clear();
    compiled.set(pattern, compile(pattern));
  }
  return compiled.get(pattern);
}

function compile(pattern: string): Matcher | undefined {
  try {
    return new RE2JS(pattern);
  } catch {
    return undefined;
  }
}
