import { mkdir, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { Container } from './container-config.ts';
import { ConfigError, type EnvPair, expand } from './environment.ts';

export interface SubPathOptions {
  /** Volume name → host path. */
  readonly volumes: ReadonlyMap<string, string>;
  readonly env: readonly EnvPair[];
}

/**
 * Host paths of the mounts that have a `subPath` or `subPathExpr`, by mount path; what is not there becomes a directory.
 * Throws {@link ConfigError} for one that leaves its volume, by a link too: whoever writes the volume could plant one.
 */
export async function prepareSubPaths(container: Container, options: SubPathOptions): Promise<Map<string, string>> {
  const paths = new Map<string, string>();
  for (const mount of container.volumeMounts ?? []) {
    const subPath = mount.subPathExpr ? expandAll(mount.subPathExpr, options.env) : mount.subPath;
    if (!subPath) continue;
    paths.set(mount.mountPath, await prepareSubPath(options.volumes.get(mount.name) ?? '', subPath));
  }
  return paths;
}

/** Unlike other places, this one must know every variable. */
function expandAll(text: string, env: readonly EnvPair[]): string {
  const variables = new Map(env);
  const unknown = [...text.matchAll(/\$\$|\$\(([^()]+)\)/g)].find(
    ([, name]) => name !== undefined && !variables.has(name),
  );
  if (unknown) throw new ConfigError(`missing value for ${JSON.stringify(unknown[1])}`);
  return expand(text, variables);
}

async function prepareSubPath(base: string, subPath: string): Promise<string> {
  if (subPath.startsWith('/') || subPath.split('/').includes('..')) {
    throw new ConfigError(`subPath ${JSON.stringify(subPath)} must be a relative path and must not contain '..'`);
  }
  const root = await realpath(base);
  const wanted = join(root, subPath);
  await checkInside(root, wanted);
  await mkdir(wanted, { recursive: true, mode: 0o750 }).catch((error: NodeJS.ErrnoException) => {
    // A file is as good.
    if (error.code !== 'EEXIST') throw error;
  });
  const real = await realpath(wanted);
  if (!isInside(root, real)) throw outside(wanted);
  return real;
}

/** The nearest part that is there must lie inside, before anything is made below it. */
async function checkInside(root: string, wanted: string): Promise<void> {
  for (let at = wanted; at !== root && at !== '/'; at = dirname(at)) {
    const real = await realpath(at).catch(() => undefined);
    if (real === undefined) continue;
    if (!isInside(root, real)) throw outside(wanted);
    return;
  }
}

function isInside(root: string, path: string): boolean {
  return path === root || path.startsWith(`${root}${sep}`);
}

function outside(path: string): ConfigError {
  return new ConfigError(`failed to prepare subPath ${JSON.stringify(path)}: it leads out of its volume`);
}
