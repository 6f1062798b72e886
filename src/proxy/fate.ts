/** A first packet of a connection, on its way through this node. */
export interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  /** As the kernel's tools write it: `tcp`. */
  readonly protocol: string;
  /** Sent by a process on this node, not by a pod or from outside. */
  readonly ownProcess: boolean;
}

/** Where it got to: an endpoint, this node itself (`here`) or onward untouched (`onward`). */
export type Fate =
  | { readonly to: string; readonly port: number; readonly masqueraded: boolean }
  | 'reject'
  | 'drop'
  | 'here'
  | 'onward';

/** Picks one of `count` ways at random: a number below it. */
export type Choose = (count: number) => number;

const FATES_MAX = 1000;

/** What `trace` comes to, whatever is drawn: every way is gone once. Throws when there are too many ways. */
export function everyFate(trace: (choose: Choose) => Fate): Fate[] {
  const fates = new Map<string, Fate>();
  let path: { readonly count: number; index: number }[] = [];
  for (let runs = 0; runs < FATES_MAX; runs++) {
    let depth = 0;
    const choose: Choose = (count) => {
      const index = Math.min(path[depth]?.index ?? 0, count - 1);
      path[depth++] = { count, index };
      return index;
    };
    const fate = trace(choose);
    fates.set(JSON.stringify(fate), fate);
    path = path.slice(0, depth);
    while (path.length > 0 && path.at(-1)!.index + 1 >= path.at(-1)!.count) path.pop();
    if (path.length === 0) return [...fates.values()];
    path.at(-1)!.index += 1;
  }
  throw new Error(`more than ${FATES_MAX} ways through the rules`);
}
