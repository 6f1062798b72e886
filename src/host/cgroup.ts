import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A mounted hierarchy of cgroups. */
export interface CgroupHierarchy {
  readonly mountPoint: string;
  /** `cpu`, `memory`…; those of version 2 are in `cgroup.controllers`. */
  readonly controllers: readonly string[];
}

/** How this machine's cgroups are mounted. */
export interface CgroupLayout {
  /** The version that has the controllers: both may be mounted. */
  readonly version: 1 | 2;
  readonly hierarchies: readonly CgroupHierarchy[];
}

/** A value of one file of a cgroup. */
export interface CgroupSetting {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
}

const FLAGS = new Set([
  'rw',
  'ro',
  'xattr',
  'nsdelegate',
  'memory_recursiveprot',
  'clone_children',
  'noprefix',
  'favordynmods',
]);

/** Reads the layout out of `/proc/self/mountinfo` (proc(5)). Pure. */
export function cgroupLayout(mountinfo: string): CgroupLayout {
  const found = mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const mountPoint = before.split(' ')[4];
    const [type, , options = ''] = after.split(' ');
    if (!mountPoint || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    const controllers = options.split(',').filter((word) => word && !FLAGS.has(word) && !word.includes('='));
    return [{ type, mountPoint, controllers: type === 'cgroup' ? controllers : [] }];
  });
  const version = found.some(({ controllers }) => controllers.length > 0) ? 1 : 2;
  return { version, hierarchies: found.map(({ mountPoint, controllers }) => ({ mountPoint, controllers })) };
}

export function readCgroupLayout(): CgroupLayout {
  return cgroupLayout(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** Where a cgroup's files of a controller are; undefined when no hierarchy has it. */
export function controllerDirectory(layout: CgroupLayout, path: string, controller: string): string | undefined {
  const hierarchy =
    layout.version === 2
      ? layout.hierarchies[0]
      : layout.hierarchies.find((one) => one.controllers.includes(controller));
  return hierarchy && join(hierarchy.mountPoint, path);
}

/** Sets one value of a cgroup that is there; does nothing without the controller. Rejects with the kernel's error. */
export async function writeCgroup(layout: CgroupLayout, path: string, setting: CgroupSetting): Promise<void> {
  const directory = controllerDirectory(layout, path, setting.controller);
  if (directory) await writeFile(join(directory, setting.file), setting.value, { flag: 'r+' });
}

/** Directories of a cgroup in every hierarchy (one of version 2, one a controller of version 1). */
export function cgroupDirectories(path: string): string[] {
  const { hierarchies } = readCgroupLayout();
  return hierarchies.map(({ mountPoint }) => join(mountPoint, path)).filter((directory) => existsSync(directory));
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
