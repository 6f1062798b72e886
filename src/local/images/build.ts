import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { run } from '../../host/exec.ts';
import { OCI_LAYOUT, type OciArchitecture, ociDocuments } from './oci.ts';
import { type DebianPackage, downloadPackages, packageFile, resolvePackages } from './packages.ts';
import { digestFile, makeRootfs, packDirectory } from './rootfs.ts';
import type { ImageSpec } from './spec.ts';

/** An image that lies in the cache as an OCI archive. */
export interface BuiltImage {
  readonly names: readonly string[];
  /** Changes whenever the content does. */
  readonly key: string;
  readonly file: string;
  readonly packages: readonly string[];
}

export interface BuildOptions {
  /** The cache; made when missing. */
  directory: string;
  architecture: OciArchitecture;
  report: (message: string) => void;
}

const INDEX = 'index.json';
/** Goes into every key: another way of building makes other images. */
const BUILDER_VERSION = 1;

/** Builds images from Debian packages, or finds them in the cache: a key is made of the packages' versions. */
export async function buildImages(specs: readonly ImageSpec[], options: BuildOptions): Promise<BuiltImage[]> {
  mkdirSync(options.directory, { recursive: true });
  const plans = await resolveFresh(specs, options);
  const built = await Promise.all(plans.map((plan) => build(plan, options)));
  record(options.directory, built);
  return built;
}

/** An image whose packages, and so whose key, are known. */
interface BuildPlan {
  readonly spec: ImageSpec;
  readonly packages: readonly DebianPackage[];
  readonly key: string;
  readonly file: string;
}

async function build({ spec, packages, key, file }: BuildPlan, options: BuildOptions): Promise<BuiltImage> {
  if (!existsSync(file)) {
    options.report(`building ${spec.names[0]} from ${packages.length} Debian packages`);
    await assemble({ spec, packages, file, options });
  }
  return { names: spec.names, key, file, packages: packages.map((one) => `${one.name}=${one.version}`) };
}

function imageKey(spec: ImageSpec, packages: readonly DebianPackage[]): string {
  const content = JSON.stringify([BUILDER_VERSION, spec, packages]);
  return createHash('sha256').update(content).digest('hex').slice(0, 24);
}

/** A machine that was just installed has no package lists, and old lists name versions that are gone: both need one update. */
async function resolveFresh(specs: readonly ImageSpec[], options: BuildOptions): Promise<BuildPlan[]> {
  try {
    return await resolveAndDownload(specs, options);
  } catch {
    options.report('updating the lists of Debian packages');
    await run(['apt-get', 'update', '-q']);
    return await resolveAndDownload(specs, options);
  }
}

async function resolveAndDownload(specs: readonly ImageSpec[], { directory }: BuildOptions): Promise<BuildPlan[]> {
  const resolved = await resolvePackages(specs);
  const plans = specs.map((spec, at) => {
    const packages = resolved[at]!;
    const key = imageKey(spec, packages);
    return { spec, packages, key, file: join(directory, `${key}.tar`) };
  });
  const missing = plans.filter((plan) => !existsSync(plan.file));
  await downloadPackages(
    missing.flatMap((plan) => plan.packages),
    packagesDir(directory),
  );
  return plans;
}

function packagesDir(directory: string): string {
  return join(directory, 'packages');
}

async function assemble(task: {
  spec: ImageSpec;
  packages: readonly DebianPackage[];
  file: string;
  options: BuildOptions;
}): Promise<void> {
  const { spec, packages, file, options } = task;
  const work = mkdtempSync(join(options.directory, 'build-'));
  try {
    const debs = packages.map((one) => join(packagesDir(options.directory), packageFile(one)));
    await makeRootfs(spec, debs, join(work, 'rootfs'));
    const layout = join(work, 'layout');
    await writeLayout({ spec, rootfs: join(work, 'rootfs'), layout, architecture: options.architecture });
    await packDirectory(layout, join(work, 'image.tar'));
    renameSync(join(work, 'image.tar'), file);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function writeLayout(task: {
  spec: ImageSpec;
  rootfs: string;
  layout: string;
  architecture: OciArchitecture;
}): Promise<void> {
  const blobs = join(task.layout, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const packed = join(blobs, 'layer');
  await packDirectory(task.rootfs, packed);
  const layer = await digestFile(packed);
  renameSync(packed, join(blobs, hexOf(layer.digest)));
  const documents = ociDocuments({ spec: task.spec, architecture: task.architecture, layer });
  for (const [hex, text] of documents.blobs) writeFileSync(join(blobs, hex), text);
  writeFileSync(join(task.layout, 'index.json'), documents.index);
  writeFileSync(join(task.layout, 'oci-layout'), OCI_LAYOUT);
}

function hexOf(digest: string): string {
  return digest.replace('sha256:', '');
}

/** The newest build of each image in the cache; those whose archive was removed are left out. */
export function cachedImages(directory: string): BuiltImage[] {
  const index = join(directory, INDEX);
  if (!existsSync(index)) return [];
  const images = JSON.parse(readFileSync(index, 'utf8')) as BuiltImage[];
  return images.filter((image) => existsSync(image.file));
}

/** Remembers what was built, and removes the archives of what it replaces. */
function record(directory: string, built: readonly BuiltImage[]): void {
  const replaced = new Set(built.map((image) => image.names[0]));
  const others = cachedImages(directory).filter((image) => !replaced.has(image.names[0]));
  const images = [...others, ...built].sort((a, b) => (a.names[0]! < b.names[0]! ? -1 : 1));
  const index = join(directory, INDEX);
  writeFileSync(`${index}.new`, JSON.stringify(images, null, 2));
  renameSync(`${index}.new`, index);
  const kept = new Set(images.map((image) => basename(image.file)));
  for (const name of readdirSync(directory))
    if (/^[0-9a-f]+\.tar$/.test(name) && !kept.has(name)) rmSync(join(directory, name));
}
