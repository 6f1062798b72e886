import { blankText, type Import, importsOf, isTest, lineAt, resolveImport, type SourceFile } from './source.ts';

/** A folder of `src/`. */
export interface Room {
  readonly name: string;
  readonly purpose: string;
  /** Rooms that its files may import, besides their own. */
  readonly mayImport: readonly string[];
  /** Its law stands before its first file. */
  readonly planned?: true;
}

/** In reading order: a room imports only from rooms above it. */
export const rooms: readonly Room[] = [
  {
    name: 'lib',
    purpose:
      'what any program might use: clock, back-off, log, IP and CIDR arithmetic, assertions; Node built-ins only',
    mayImport: [],
  },
  {
    name: 'host',
    purpose: 'doors to the machine: run a command, network namespaces, nftables, cgroups, mounts, routes',
    mayImport: ['lib'],
  },
  {
    name: 'api',
    purpose: 'the nouns, as data: types, defaults, validation, printer columns; one row a kind in one registry',
    mayImport: ['lib'],
  },
  {
    name: 'store',
    purpose: 'keys, revisions, and watches from a revision; durable or in memory; knows no kind',
    mayImport: ['lib'],
  },
  {
    name: 'pki',
    purpose: 'the certificate authority of a cluster, its certificates and kubeconfigs',
    mayImport: ['lib'],
  },
  {
    name: 'apiserver',
    purpose: 'HTTP over the store: discovery, verbs, patches, admission, watches, tables, OpenAPI, authentication',
    mayImport: ['lib', 'api', 'store', 'pki'],
  },
  {
    name: 'client',
    purpose: 'the only road to the API: typed requests, caches from list and watch, the reconcile loop',
    mayImport: ['lib', 'api'],
  },
  {
    name: 'controllers',
    purpose: 'what makes status follow spec; one file each; reads caches, writes through the client',
    mayImport: ['lib', 'api', 'client'],
  },
  {
    name: 'scheduler',
    purpose: 'gives each Pod a node',
    mayImport: ['lib', 'api', 'client'],
  },
  {
    name: 'servicemap',
    purpose: 'Services, EndpointSlices and this node to what it owes each Service port; pure',
    mayImport: ['lib', 'api'],
  },
  {
    name: 'agent',
    purpose: 'Pods to sandboxes and containers over CRI; Pod network; volumes, probes, logs and exec',
    mayImport: ['lib', 'api', 'client', 'host'],
  },
  {
    name: 'proxy',
    purpose: 'Service ports to kernel rules',
    mayImport: ['lib', 'api', 'client', 'servicemap', 'host'],
  },
  {
    name: 'dns',
    purpose: 'names of Services and Pods, from records that are prepared when Services change',
    mayImport: ['lib', 'api', 'client', 'servicemap'],
  },
  {
    name: 'ingress',
    purpose: 'Ingress rules to an HTTP reverse proxy',
    mayImport: ['lib', 'host', 'api', 'client'],
  },
  {
    name: 'loadbalancer',
    purpose: 'addresses for Services of type LoadBalancer, and the path from them to nodes',
    mayImport: ['lib', 'api', 'client', 'servicemap', 'host'],
  },
  {
    name: 'gateway',
    purpose: 'Services at loopback addresses and names of the machine that a local cluster runs on',
    mayImport: ['lib', 'api', 'client', 'host'],
  },
  {
    name: 'console',
    purpose: 'the web console',
    mayImport: ['lib', 'api', 'client'],
    planned: true,
  },
  {
    name: 'local',
    purpose: 'a whole cluster on one machine: its networks, processes and files, up and down',
    mayImport: ['lib', 'host', 'api', 'client', 'pki'],
  },
  {
    name: 'testing',
    purpose: 'an API server in memory, a clock moved by hand, caches filled by hand; for tests and benchmarks only',
    mayImport: ['lib', 'host', 'api', 'store', 'pki', 'apiserver', 'client', 'controllers', 'scheduler', 'servicemap'],
  },
  {
    name: 'main',
    purpose: 'programs: flags to configuration to wiring; alone in reading environment and arguments, and in exiting',
    mayImport: [
      'lib',
      'host',
      'api',
      'store',
      'pki',
      'apiserver',
      'client',
      'controllers',
      'scheduler',
      'servicemap',
      'agent',
      'proxy',
      'dns',
      'ingress',
      'loadbalancer',
      'gateway',
      'console',
      'local',
    ],
  },
];

/** Parts of a folder that know nothing of each other; what two of them need goes up to what they share. */
export interface Siblings {
  /** A part is a file, or everything in a folder, right below. */
  readonly folder: string;
  /** What every part may import. */
  readonly shared: readonly string[];
  /** Files that put the parts together: they may import every part, and no part imports them. */
  readonly parents: readonly string[];
  /** Files that make one part with the file that they are listed for. */
  readonly belongs: Readonly<Record<string, string>>;
}

export const siblings: readonly Siblings[] = [
  {
    folder: 'src/controllers',
    shared: ['options', 'common', 'backends', 'hints', 'claim', 'hash', 'history', 'kinds', 'podcontrol', 'selection'],
    parents: ['start'],
    belongs: {},
  },
  {
    folder: 'src/proxy',
    shared: ['contract', 'mode', 'observe', 'claims', 'frontends', 'settler', 'ports', 'fate', 'flows', 'netfilter'],
    parents: ['start', 'backends'],
    belongs: { health: 'serve', metrics: 'serve' },
  },
];

/** Rooms in which nothing opens a socket. */
const SOCKETLESS = ['lib', 'api', 'store', 'servicemap', 'controllers', 'scheduler'];
const SOCKET_MODULES = ['net', 'dgram', 'http', 'https', 'tls', 'http2'];

/** Rooms whose files run on Node alone: types of packages are no dependency. */
const BARE_ROOMS = ['lib', 'servicemap'];

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export function formatViolation({ path, line, message }: Violation): string {
  return `${path}:${line}: ${message}`;
}

/** One file with what it imports. */
interface Importer {
  readonly file: SourceFile;
  readonly room: Room | undefined;
  readonly imports: readonly Import[];
}

type Rule = (importer: Importer) => Omit<Violation, 'path'>[];

const rules: readonly Rule[] = [
  roomIsKnown,
  importsOwnOrListedRooms,
  siblingsKeepApart,
  commandsInHostOnly,
  socketsWhereAllowed,
  processInMainOnly,
  bareRooms,
  noSideEffects,
];

/** Everything in `files` (of `src/`) that breaks the law. */
export function lawViolations(files: readonly SourceFile[]): Violation[] {
  const importers = files.map(toImporter);
  const single = importers.flatMap((importer) =>
    rules.flatMap((rule) => rule(importer).map((found) => ({ path: importer.file.path, ...found }))),
  );
  return [...single, ...cycles(importers)];
}

function toImporter(file: SourceFile): Importer {
  const room = rooms.find(({ name }) => name === roomOf(file.path));
  return { file, room, imports: importsOf(file.text) };
}

/** Rooms whose row says that they are there while they have no files, and the other way round. */
export function misplacedRooms(paths: readonly string[]): string[] {
  const existing = new Set(paths.map(roomOf));
  return rooms.filter(({ name, planned }) => existing.has(name) === (planned === true)).map(({ name }) => name);
}

/** `dns` of `src/dns/zone.ts`. */
export function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

function roomIsKnown({ file, room }: Importer) {
  return room ? [] : [{ line: 1, message: `"${roomOf(file.path) ?? 'src'}" is no room: add its row to test/law.ts` }];
}

/** Tests may also use `testing` and all that it wires together. */
function importsOwnOrListedRooms({ file, room, imports }: Importer) {
  if (!room) return [];
  const forTests = isTest(file.path) ? ['testing', ...rooms.find(({ name }) => name === 'testing')!.mayImport] : [];
  const allowed = new Set([room.name, ...room.mayImport, ...forTests]);
  return imports.flatMap(({ specifier, line }) => {
    const target = resolveImport(file.path, specifier);
    if (target === undefined) return [];
    const targetRoom = roomOf(target);
    if (targetRoom === undefined) return [{ line, message: `imports ${target}, which is outside src/` }];
    if (isTest(target) && !isTest(file.path)) return [{ line, message: `imports ${target}, which only tests may` }];
    if (allowed.has(targetRoom)) return [];
    return [{ line, message: `room "${room.name}" may not import "${targetRoom}" (${target})` }];
  });
}

function siblingsKeepApart({ file, imports }: Importer) {
  return siblings.flatMap((group) => {
    const own = partOf(group, file.path);
    if (own === undefined || group.parents.includes(own)) return [];
    return imports.flatMap(({ specifier, line }) => {
      const other = partOf(group, resolveImport(file.path, specifier) ?? '');
      if (other === undefined || other === own) return [];
      if (group.shared.includes(other)) return [];
      if (isTest(file.path) && group.parents.includes(other)) return [];
      return [{ line, message: `"${own}" may not import its sibling "${other}" in ${group.folder}` }];
    });
  });
}

/** `deployment` of `src/controllers/deployment.ts` and of `src/controllers/rollout.test.ts`. */
function partOf({ folder, belongs }: Siblings, path: string): string | undefined {
  if (!path.startsWith(`${folder}/`)) return undefined;
  const stem = path.slice(folder.length + 1).split(/[/.]/)[0]!;
  return belongs[stem] ?? stem;
}

function commandsInHostOnly({ file, room, imports }: Importer) {
  if (room?.name === 'host' || isTest(file.path)) return [];
  return builtins(imports, ['child_process']).map(({ line, specifier }) => ({
    line,
    message: `imports ${specifier}: commands run through src/host`,
  }));
}

function socketsWhereAllowed({ file, room, imports }: Importer) {
  if (!room || !SOCKETLESS.includes(room.name) || isTest(file.path)) return [];
  return builtins(imports, SOCKET_MODULES).map(({ line, specifier }) => ({
    line,
    message: `imports ${specifier}: room "${room.name}" opens no sockets`,
  }));
}

function builtins(imports: readonly Import[], names: readonly string[]): Import[] {
  return imports.filter(({ specifier }) => names.includes(specifier.replace(/^node:/, '').split('/')[0]!));
}

function processInMainOnly({ file, room }: Importer) {
  if (room?.name === 'main' || isTest(file.path)) return [];
  const matches = blankText(file.text).matchAll(/\bprocess\s*\??\.\s*(?:env|argv|exit|exitCode)\b/g);
  return [...matches].map((match) => ({
    line: lineAt(file.text, match.index),
    message: `${match[0]}: only src/main reads the environment and arguments, and exits; pass what is needed`,
  }));
}

function bareRooms({ file, room, imports }: Importer) {
  if (!room || !BARE_ROOMS.includes(room.name) || isTest(file.path)) return [];
  return imports
    .filter(({ specifier, typeOnly }) => !typeOnly && !specifier.startsWith('.') && !specifier.startsWith('node:'))
    .map(({ specifier, line }) => ({ line, message: `imports ${specifier}: room "${room.name}" uses Node alone` }));
}

function noSideEffects({ imports }: Importer) {
  return imports
    .filter(({ bare }) => bare)
    .map(({ specifier, line }) => ({ line, message: `imports ${specifier} for its effect: call a function instead` }));
}

/** Files that import each other in a ring when the program runs; each ring once. */
function cycles(importers: readonly Importer[]): Violation[] {
  const edges = new Map(importers.map(({ file, imports }) => [file.path, targetsOf(file.path, imports)]));
  const done = new Set<string>();
  const found: Violation[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    const at = trail.indexOf(path);
    if (at >= 0) found.push({ path, line: 1, message: `file cycle: ${[...trail.slice(at), path].join(' → ')}` });
    if (at >= 0 || done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

function targetsOf(path: string, imports: readonly Import[]): string[] {
  const targets = imports.filter(({ typeOnly }) => !typeOnly).map(({ specifier }) => resolveImport(path, specifier));
  return targets.filter((target) => target !== undefined);
}
