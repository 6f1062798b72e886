import { createHash } from 'node:crypto';
import {
  chmodSync,
  createReadStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from '../../host/exec.ts';
import { type ImageFile, type ImageSpec, NEVER_KEPT } from './spec.ts';

/** Unpacks packages into a directory and lays the image's own files over them. */
export async function makeRootfs(spec: ImageSpec, packages: readonly string[], rootfs: string): Promise<void> {
  mkdirSync(rootfs, { recursive: true, mode: 0o755 });
  for (const file of packages) await run(['dpkg-deb', '-x', file, rootfs]);
  for (const [path, file] of Object.entries(spec.files ?? {})) writeImageFile(rootfs, path, file);
  for (const path of [...NEVER_KEPT, ...(spec.remove ?? [])])
    rmSync(join(rootfs, path), { recursive: true, force: true });
}

function writeImageFile(rootfs: string, path: string, file: ImageFile): void {
  const target = join(rootfs, path);
  mkdirSync(dirname(target), { recursive: true });
  if ('directory' in file) {
    mkdirSync(target, { recursive: true });
    if (file.mode !== undefined) chmodSync(target, file.mode);
    return;
  }
  rmSync(target, { recursive: true, force: true });
  if ('link' in file) symlinkSync(file.link, target);
  else if ('join' in file) writeFileSync(target, joinFiles(join(rootfs, file.join)));
  else writeFileSync(target, file.text, { mode: file.mode ?? 0o644 });
}

function joinFiles(directory: string): string {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => readFileSync(path, 'utf8'))
    .join('');
}

/** Packs a directory such that the same content gives the same bytes. */
export async function packDirectory(directory: string, file: string): Promise<void> {
  const stable = ['--sort=name', '--mtime=@0', '--numeric-owner', '--format=gnu'];
  await run(['tar', ...stable, '-cf', file, '-C', directory, '.']);
}

/** Size and SHA-256 of a file. */
export async function digestFile(file: string): Promise<{ digest: string; size: number }> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return { digest: `sha256:${hash.digest('hex')}`, size: statSync(file).size };
}
