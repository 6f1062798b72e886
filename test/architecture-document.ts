import { type Room, rooms } from './law.ts';

export const BEGIN = '<!-- rooms: drawn from test/law.ts by `node test/architecture.ts --write` -->';
export const END = '<!-- rooms: end -->';

/** The picture and the table of rooms; those that are planned come when they have files. */
export function renderRooms(all: readonly Room[] = rooms): string {
  const present = all.filter(({ planned }) => !planned);
  return [BEGIN, '', '```text', ...layerLines(present), '```', '', ...tableLines(present), '', END].join('\n');
}

/** One line a layer: each room stands right above the highest of the rooms that it imports. */
function layerLines(present: readonly Room[]): string[] {
  const layers: string[][] = [];
  const layerOf = new Map<string, number>();
  for (const { name, mayImport } of present) {
    const below = mayImport.flatMap((target) => layerOf.get(target) ?? []);
    const layer = below.length === 0 ? 0 : Math.max(...below) + 1;
    layerOf.set(name, layer);
    layers[layer] = [...(layers[layer] ?? []), name];
  }
  return layers.map((names, layer) => `${layer}  ${names.join('  ')}`).reverse();
}

function tableLines(present: readonly Room[]): string[] {
  const names = present.map(({ name }) => name);
  return [
    '| room | what it is for | may import |',
    '|---|---|---|',
    ...present.map(({ name, purpose, mayImport }) => {
      const targets = mayImport.filter((target) => names.includes(target));
      return `| \`${name}\` | ${purpose} | ${targets.join(', ') || '–'} |`;
    }),
  ];
}

/** The document with its drawn part replaced; undefined when the markers are missing. */
export function replaceRooms(document: string, block: string): string | undefined {
  const start = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (start < 0 || end < start) return undefined;
  return document.slice(0, start) + block + document.slice(end + END.length);
}

/** Packages that the table under "Dependencies" gives a line each: their names stand first, in backquotes. */
export function documentedPackages(document: string): string[] {
  const section = /^## Dependencies$([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(document)?.[1] ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \|[^|\n]*\S[^|\n]*\|/gm)].map((match) => match[1]!);
}

/** Every package that a manifest names. */
export function manifestPackages(manifest: string): string[] {
  const parsed = JSON.parse(manifest) as Record<string, Record<string, string> | undefined>;
  const groups = ['dependencies', 'optionalDependencies', 'devDependencies', 'peerDependencies'];
  return groups.flatMap((group) => Object.keys(parsed[group] ?? {}));
}
