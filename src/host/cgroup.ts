import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** Directories of a cgroup in every hierarchy (one of version 2, one a controller of version 1). */
export function cgroupDirectories(path: string): string[] {
  const roots = existsSync(join(ROOT, 'cgroup.controllers'))
    ? [ROOT]
    : readdirSync(ROOT).map((name) => join(ROOT, name));
  return roots.map((root) => join(root, path)).filter((directory) => existsSync(directory));
}

/** Ids of all processes in a cgroup and below it. */
export function cgroupPids(path: string): number[] {
  const pids = cgroupDirectories(path)
    .flatMap(tree)
    .flatMap((directory) => {
      try {
        return readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
      } catch {
        return [];
      }
    });
  return [...new Set(pids)];
}

/** Removes a cgroup and all below it; processes must be gone. Returns what could not be removed. */
export function removeCgroup(path: string): string[] {
  const failed: string[] = [];
  for (const directory of cgroupDirectories(path).flatMap(tree)) {
    try {
      rmdirSync(directory);
    } catch {
      failed.push(directory);
    }
  }
  return failed;
}

/** A directory and all below it, deepest first. */
function tree(directory: string): string[] {
  try {
    const children = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...children.flatMap((entry) => tree(join(directory, entry.name))), directory];
  } catch {
    return [];
  }
}
