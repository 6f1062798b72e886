import type { Certificate, Endpoint } from '../types.ts';
import type { Layout } from './arrange.ts';
import { certificateLine, type HaproxyFiles, serverText } from './render.ts';

/** A server that no longer gets requests, by `slot/name`; it is deleted once its connections have ended. */
export type LeavingServers = ReadonlySet<string>;

/** What one round at the admin socket does. */
export interface Commands {
  /** In order; each is one connection. All must be answered as {@link isSuccess} says. */
  readonly texts: readonly string[];
  /** Servers that the round takes out of service. */
  readonly leaving: readonly string[];
  /** Former servers that serve again. */
  readonly returned: readonly string[];
}

/** A command with its payload has to fit into a buffer of 16 KiB. */
const TEXT_BYTES_MAX = 12_000;
/** More changed lines than this go in as a whole new version of the map. */
const LINES_MAX = 100;

/**
 * Pure: what turns one layout into another while HAProxy runs. New things come before what points at them, old ones go
 * after. Undefined when it cannot be done so.
 */
export function commandsBetween(
  from: Layout,
  to: Layout,
  { files, leaving }: { files: HaproxyFiles; leaving: LeavingServers },
): Commands | undefined {
  const certificates = certificateCommands(from.certificates, to.certificates, files);
  if (!certificates) return undefined;
  const added = serverChanges(to, from);
  const removed = serverChanges(from, to);
  const returned = added.filter(({ path }) => leaving.has(path)).map(({ path }) => path);
  const additions = added.map(({ path, endpoint }) =>
    leaving.has(path) ? `enable server ${path}` : `add server ${path} ${serverText(endpoint)};enable server ${path}`,
  );
  const texts = [
    ...certificates.before,
    ...joined(additions),
    ...mapCommands(files.exactMap, from.exact, to.exact),
    ...mapCommands(files.prefixMap, from.prefix, to.prefix),
    ...joined(removed.map(({ path }) => `disable server ${path}`)),
    ...certificates.after,
  ];
  return { texts, leaving: removed.map(({ path }) => path), returned };
}

interface ServerChange {
  /** `slot/name`. */
  readonly path: string;
  readonly endpoint: Endpoint;
}

/** Servers of `layout` that `other` does not have. */
function serverChanges(layout: Layout, other: Layout): ServerChange[] {
  return [...layout.servers].flatMap(([slot, servers]) => {
    const there = other.servers.get(slot);
    return [...servers].flatMap(([name, endpoint]) =>
      there?.has(name) ? [] : [{ path: `${slot}/${name}`, endpoint }],
    );
  });
}

/** Short commands, several to a connection. */
function joined(commands: readonly string[]): string[] {
  const texts: string[] = [];
  for (const command of commands) {
    const last = texts.at(-1);
    if (last !== undefined && last.length + command.length < TEXT_BYTES_MAX)
      texts[texts.length - 1] = `${last};${command}`;
    else texts.push(command);
  }
  return texts;
}

/** New lines, then changed ones, then those that go; or all of them at once when there are many. */
function mapCommands(file: string, from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>): string[] {
  const added = [...to].filter(([key]) => !from.has(key));
  const changed = [...to].filter(([key, value]) => from.has(key) && from.get(key) !== value);
  const removed = [...from.keys()].filter((key) => !to.has(key));
  if (changed.length + removed.length + added.length > LINES_MAX) return wholeMap(file, to);
  return [
    ...payloads(`add map ${file} <<`, added.map(mapLine)),
    ...joined(changed.map(([key, value]) => `set map ${file} ${escapeWord(key)} ${escapeWord(value)}`)),
    ...joined(removed.map((key) => `del map ${file} ${escapeWord(key)}`)),
  ];
}

/** Stands where the number goes that `prepare map` has answered. */
export const VERSION = '@{VERSION}';

function wholeMap(file: string, lines: ReadonlyMap<string, string>): string[] {
  return [
    `prepare map ${file}`,
    ...payloads(`add map ${VERSION} ${file} <<`, [...lines].map(mapLine)),
    `commit map ${VERSION} ${file}`,
  ];
}

function mapLine([key, value]: readonly [string, string]): string {
  return `${key} ${value}`;
}

/** One command for as many lines as a buffer holds; an empty line ends them. */
function payloads(command: string, lines: readonly string[]): string[] {
  const texts: string[] = [];
  let size = TEXT_BYTES_MAX;
  for (const line of lines) {
    size += line.length + 1;
    if (size < TEXT_BYTES_MAX) texts[texts.length - 1] += `${line}\n`;
    else {
      texts.push(`${command}\n${line}\n`);
      size = command.length + line.length + 2;
    }
  }
  return texts;
}

/** The command line's own separators. */
function escapeWord(word: string): string {
  return word.replaceAll(/[\\; ]/g, '\\$&');
}

function certificateCommands(
  from: ReadonlyMap<string, Certificate>,
  to: ReadonlyMap<string, Certificate>,
  files: HaproxyFiles,
): { before: string[]; after: string[] } | undefined {
  const fresh = [...to].filter(([file, { pem }]) => from.get(file)?.pem !== pem);
  if (fresh.some(([, { pem, hosts }]) => pem.length > TEXT_BYTES_MAX || hosts.join(' ').length > TEXT_BYTES_MAX))
    return undefined;
  const path = (file: string) => `${files.certificates}/${file}`;
  const gone = [...from.keys()].filter((file) => !to.has(file));
  return {
    before: fresh.flatMap(([file, { pem, hosts }]) => [
      ...(from.has(file) ? [] : [`new ssl cert ${path(file)}`]),
      `set ssl cert ${path(file)} <<\n${pem.trim()}\n`,
      `commit ssl cert ${path(file)}`,
      ...(from.has(file)
        ? []
        : [`add ssl crt-list ${files.certificateList} <<\n${certificateLine(path(file), hosts)}\n`]),
    ]),
    after: gone.flatMap((file) => [
      `del ssl crt-list ${files.certificateList} ${path(file)}`,
      `del ssl cert ${path(file)}`,
    ]),
  };
}

/** Deletes servers that are out of service; those that have connections yet stay. */
export function deletions(leaving: Iterable<string>): string[] {
  return [...leaving].map((path) => `del server ${path}`);
}

const SUCCESS = [
  /^$/,
  /^New server registered\.$/,
  /^New version created: \d+$/,
  /^New empty certificate store '.*'!$/,
  /^Transaction (created|updated) for certificate .*!$/,
  /^Committing .*$/,
  /^Success!$/,
  /^Inserting certificate '.*' in crt-list '.*'\.*$/,
  /^Entry '.*' deleted in crtlist '.*'!$/,
  /^Certificate '.*' deleted!$/,
];

/** HAProxy has no codes: an answer is a success when each of its lines is known to say so. */
export function isSuccess(answer: string): boolean {
  return answer.split('\n').every((line) => SUCCESS.some((pattern) => pattern.test(line.trim())));
}

/** After `del server`: true when it is gone. */
export function isDeleted(answer: string): boolean {
  return /^(Server deleted\.|No such server\.)$/m.test(answer);
}
