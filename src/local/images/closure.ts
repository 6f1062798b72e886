/** What a package needs: each entry is a list of alternatives, best first. */
export type DependencyGraph = ReadonlyMap<string, readonly (readonly string[])[]>;

/**
 * Reads the answer of `apt-cache depends --recurse` (in the C locale): a package's name at the line's begin, its dependencies
 * indented; `|` before one says that the next is an alternative; `<name>` is virtual, and its providers follow, further indented.
 */
export function parseDependencies(text: string): DependencyGraph {
  const graph = new Map<string, string[][]>();
  let entries: string[][] = [];
  let joinsNext = false;
  for (const line of text.split('\n')) {
    const dependency = /^ (\||\s)(?:Pre)?Depends: (\S+)/.exec(line);
    const provider = /^ {4}(\S+)/.exec(line);
    if (dependency) {
      if (!joinsNext) entries.push([]);
      joinsNext = dependency[1] === '|';
      if (!dependency[2]!.startsWith('<')) entries.at(-1)!.push(withoutArchitecture(dependency[2]!));
    } else if (provider) entries.at(-1)?.push(withoutArchitecture(provider[1]!));
    else if (/^\S/.test(line)) {
      entries = [];
      joinsNext = false;
      graph.set(withoutArchitecture(line.trim()), entries);
    }
  }
  return graph;
}

function withoutArchitecture(name: string): string {
  return name.replace(/:\w+$/, '');
}

/**
 * The packages that `roots` need, themselves included, sorted. What is excluded is left out with all that it alone needs;
 * an entry whose alternatives are all excluded is left out too.
 */
export function packageClosure(
  graph: DependencyGraph,
  options: { roots: readonly string[]; exclude: ReadonlySet<string> },
): string[] {
  const found = new Set<string>();
  const waiting = [...options.roots];
  while (waiting.length > 0) {
    const name = waiting.pop()!;
    if (found.has(name)) continue;
    if (!graph.has(name)) throw new Error(`package ${name}: not known to apt`);
    found.add(name);
    for (const alternatives of graph.get(name)!) {
      const choice = chooseAlternative(alternatives, graph);
      if (choice && !options.exclude.has(choice)) waiting.push(choice);
    }
  }
  return [...found].sort();
}

function chooseAlternative(alternatives: readonly string[], graph: DependencyGraph): string | undefined {
  return alternatives.find((name) => graph.has(name));
}
