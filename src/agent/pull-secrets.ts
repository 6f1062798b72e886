import type { AuthConfig } from './cri/types.ts';
import { parseImage } from './image-reference.ts';

type Bytes = Readonly<Record<string, Buffer>>;

interface Entry {
  readonly username?: string;
  readonly password?: string;
  /** Base64 of `username:password`. */
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/**
 * Credentials for an image in Secrets of types `kubernetes.io/dockerconfigjson` and `kubernetes.io/dockercfg`: those of the
 * longest matching path first. Secrets that can't be read count as empty.
 */
export function credentialsFor(image: string, secrets: readonly Bytes[]): AuthConfig[] {
  const reference = parseImage(image);
  if (!reference) return [];
  const matching = secrets
    .flatMap(entriesOf)
    .map(([key, entry]) => ({ ...keyParts(key), entry }))
    .filter(({ host, path }) => hostMatches(host, reference.registry) && isPathPrefix(path, reference.repository));
  const longestFirst = matching.sort((a, b) => b.path.length - a.path.length || b.host.length - a.host.length);
  return longestFirst.map(({ entry }) => toAuth(entry));
}

function entriesOf(secret: Bytes): [string, Entry][] {
  try {
    const config = secret['.dockerconfigjson'];
    if (config) return Object.entries((JSON.parse(config.toString()) as { auths?: Record<string, Entry> }).auths ?? {});
    const old = secret['.dockercfg'];
    return old ? Object.entries(JSON.parse(old.toString()) as Record<string, Entry>) : [];
  } catch {
    return [];
  }
}

/** `https://index.docker.io/v1/` is the historic name of Docker Hub's key. */
function keyParts(key: string): { host: string; path: string } {
  const bare = key.replace(/^https?:\/\//, '').replace(/\/(v1|v2)?\/?$/, '');
  const slash = bare.indexOf('/');
  const host = slash < 0 ? bare : bare.slice(0, slash);
  return { host: host === 'index.docker.io' ? 'docker.io' : host, path: slash < 0 ? '' : bare.slice(slash + 1) };
}

/** `*` stands for a part of a name. */
function hostMatches(pattern: string, host: string): boolean {
  const parts = pattern.split('.');
  const names = host.split('.');
  if (parts.length !== names.length) return false;
  return parts.every((part, index) => {
    const expression = part.split('*').map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
    return new RegExp(`^${expression.join('.*')}$`).test(names[index]!);
  });
}

function isPathPrefix(prefix: string, path: string): boolean {
  return prefix === '' || path === prefix || path.startsWith(`${prefix}/`);
}

function toAuth({ username = '', password = '', auth, identitytoken, registrytoken }: Entry): AuthConfig {
  const [name, ...rest] = auth ? Buffer.from(auth, 'base64').toString().split(':') : [username, password];
  return {
    username: name ?? '',
    password: auth ? rest.join(':') : password,
    identity_token: identitytoken ?? '',
    registry_token: registrytoken ?? '',
  };
}
