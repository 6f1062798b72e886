import type { Stats } from 'node:fs';
import { chmod, lchown, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** `v1.HostPathVolumeSource` */
export interface HostPath {
  path: string;
  type?: string;
}

/** What must be there for a type, and how it is called when it is not. */
const TYPES: Readonly<Record<string, { readonly is: (stats: Stats) => boolean; readonly name: string }>> = {
  Directory: { is: (stats) => stats.isDirectory(), name: 'a directory' },
  File: { is: (stats) => stats.isFile(), name: 'a file' },
  Socket: { is: (stats) => stats.isSocket(), name: 'a socket file' },
  CharDevice: { is: (stats) => stats.isCharacterDevice(), name: 'a character device' },
  BlockDevice: { is: (stats) => stats.isBlockDevice(), name: 'a block device' },
};

/** The path, made if its type says so. Throws when what is there is something else. */
export async function prepareHostPath({ path, type = '' }: HostPath): Promise<string> {
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 });
  if (type === 'FileOrCreate') {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, '', { flag: 'a', mode: 0o644 });
  }
  const wanted = TYPES[type.replace(/OrCreate$/, '')];
  if (!wanted) return path;
  const stats = await stat(path).catch(() => undefined);
  if (!stats || !wanted.is(stats)) throw new Error(`hostPath type check failed: ${path} is not ${wanted.name}`);
  return path;
}

const GROUP_DIRECTORY = 0o2070;
const GROUP_FILE = 0o060;

/** Makes a lasting volume the group's to read and write (`fsGroup`), all of it. */
export async function giveToGroup(path: string, group: number, onMismatch: boolean): Promise<void> {
  const root = await stat(path);
  if (onMismatch && root.gid === group && (root.mode & GROUP_DIRECTORY) === GROUP_DIRECTORY) return;
  await give(path, group, root);
  if (!root.isDirectory()) return;
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    const at = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) await lchown(at, -1, group);
    else await give(at, group, await stat(at));
  }
}

async function give(path: string, group: number, stats: Stats): Promise<void> {
  await lchown(path, -1, group);
  await chmod(path, (stats.mode & 0o7777) | (stats.isDirectory() ? GROUP_DIRECTORY : GROUP_FILE));
}
