import { chmod, chown, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseQuantity } from '../api/quantity.ts';
import type { Pod } from '../api/types.ts';
import { mountsBelow, mountTmpfs } from '../host/mounts.ts';
import type { ResourceRef } from './container-config.ts';
import { ConfigError } from './environment.ts';
import { giveToGroup, prepareHostPath } from './host-volumes.ts';

type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];
type Item = { key: string; path: string; mode?: number };

/** Where the content of volumes comes from. */
export interface VolumeSources {
  /** Bytes by key of a ConfigMap or Secret; undefined when it does not exist. */
  bytes(kind: 'configMap' | 'secret', name: string): Promise<Record<string, Buffer> | undefined>;
  token(request: { audience?: string; expirationSeconds?: number }): Promise<string>;
  field(path: string): string;
  resource(ref: ResourceRef): string;
  /** Host path of the volume that a claim is bound to. Throws for a claim that is not bound, and for foreign kinds of volumes. */
  claim(name: string): Promise<string>;
}

/** A file of a volume. */
interface VolumeFile {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

/** A volume's source is not there: FailedMount. */
export class MountError extends Error {
  override name = 'MountError';
}

/** Makes a pod's volumes below `directory`, and brings files that come from the API up to date. Returns name → host path. */
export async function prepareVolumes(
  pod: Pod,
  directory: string,
  sources: VolumeSources,
): Promise<Map<string, string>> {
  const paths = new Map<string, string>();
  for (const volume of pod.spec?.volumes ?? []) {
    try {
      const { fsGroup: group, fsGroupChangePolicy } = pod.spec?.securityContext ?? {};
      const onMismatch = fsGroupChangePolicy === 'OnRootMismatch';
      const place = { path: join(directory, volume.name), group, onMismatch, podName: pod.metadata.name };
      paths.set(volume.name, await prepareVolume(volume, place, sources));
    } catch (error) {
      const what = `MountVolume.SetUp failed for volume ${JSON.stringify(volume.name)}`;
      throw new MountError(`${what} : ${(error as Error).message}`);
    }
  }
  return paths;
}

interface Place {
  readonly path: string;
  /** Group that the pod's processes belong to (`fsGroup`): it owns what is made for the pod. */
  readonly group: number | undefined;
  /** A lasting volume whose root is the group's already stays as it is. */
  readonly onMismatch: boolean;
  readonly podName: string;
}

async function prepareVolume(volume: Volume, place: Place, sources: VolumeSources): Promise<string> {
  const { path, group } = place;
  if (volume.hostPath) return prepareHostPath(volume.hostPath);
  if (volume.emptyDir) return prepareEmptyDir(volume.emptyDir, place);
  const claim = volume.ephemeral ? `${place.podName}-${volume.name}` : volume.persistentVolumeClaim?.claimName;
  if (claim !== undefined) {
    const lasting = await sources.claim(claim);
    if (group !== undefined) await giveToGroup(lasting, group, place.onMismatch);
    return lasting;
  }
  const files = await filesOf(volume, sources);
  if (!files) throw new MountError('this kind of volume is not supported');
  await writeAtomically(path, files, group);
  return path;
}

async function prepareEmptyDir(source: NonNullable<Volume['emptyDir']>, { path, group }: Place): Promise<string> {
  await mkdir(path, { recursive: true });
  if (source.medium === 'Memory' && !mountsBelow(path).includes(path)) {
    const size = source.sizeLimit === undefined ? undefined : parseQuantity(String(source.sizeLimit));
    await mountTmpfs(path, ['mode=0777', ...(size ? [`size=${Math.ceil(size)}`] : [])].join());
  }
  if (group !== undefined) await chown(path, 0, group);
  await chmod(path, group === undefined ? 0o777 : 0o2777);
  return path;
}

async function filesOf(volume: Volume, sources: VolumeSources): Promise<VolumeFile[] | undefined> {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) return dataFiles({ ...configMap, kind: 'configMap', mode: configMap.defaultMode }, sources);
  if (secret)
    return dataFiles({ ...secret, name: secret.secretName, kind: 'secret', mode: secret.defaultMode }, sources);
  if (downwardAPI) return downwardFiles(downwardAPI.items ?? [], downwardAPI.defaultMode, sources);
  return projected && projectedFiles(projected, sources);
}

interface DataSource {
  kind: 'configMap' | 'secret';
  name?: string;
  items?: Item[];
  optional?: boolean;
  mode?: number;
}

async function dataFiles(source: DataSource, sources: VolumeSources): Promise<VolumeFile[]> {
  const data = await sources.bytes(source.kind, source.name ?? '');
  if (!data && !source.optional)
    throw new MountError(`${source.kind.toLowerCase()} ${JSON.stringify(source.name)} not found`);
  const items: Item[] = source.items ?? Object.keys(data ?? {}).map((key) => ({ key, path: key }));
  const missing = items.find((item) => data?.[item.key] === undefined);
  if (missing && !source.optional)
    throw new MountError(`references non-existent ${source.kind.toLowerCase()} key: ${missing.key}`);
  const present = items.filter((item) => data?.[item.key] !== undefined);
  return present.map((item) => ({
    path: item.path,
    content: data![item.key]!,
    mode: item.mode ?? source.mode ?? 0o644,
  }));
}

type DownwardItem = {
  path: string;
  mode?: number;
  fieldRef?: { fieldPath: string };
  resourceFieldRef?: ResourceRef;
};

function downwardFiles(items: readonly DownwardItem[], mode: number | undefined, sources: VolumeSources): VolumeFile[] {
  return items.map((item) => ({
    path: item.path,
    content: Buffer.from(
      item.fieldRef ? sources.field(item.fieldRef.fieldPath) : sources.resource(item.resourceFieldRef!),
    ),
    mode: item.mode ?? mode ?? 0o644,
  }));
}

async function projectedFiles(
  projected: NonNullable<Volume['projected']>,
  sources: VolumeSources,
): Promise<VolumeFile[]> {
  const mode = projected.defaultMode;
  const files: VolumeFile[] = [];
  for (const source of projected.sources ?? []) {
    if (source.configMap) files.push(...(await dataFiles({ ...source.configMap, kind: 'configMap', mode }, sources)));
    if (source.secret) files.push(...(await dataFiles({ ...source.secret, kind: 'secret', mode }, sources)));
    if (source.downwardAPI) files.push(...downwardFiles(source.downwardAPI.items ?? [], mode, sources));
    if (source.serviceAccountToken) {
      const content = Buffer.from(await sources.token(source.serviceAccountToken));
      files.push({ path: source.serviceAccountToken.path, content, mode: mode ?? 0o644 });
    }
  }
  return files;
}

const DATA = '..data';

/**
 * All files of a volume at once, as the kubelet does: a new directory is written aside, then the link `..data` is
 * swapped, so that a reader sees all old files or all new ones.
 */
export async function writeAtomically(path: string, files: readonly VolumeFile[], group?: number): Promise<void> {
  for (const file of files) checkPath(file.path);
  if (await isCurrent(path, files)) return;
  await mkdir(path, { recursive: true });
  const previous = await readdir(path);
  const version = `..${crypto.randomUUID()}`;
  for (const file of files) {
    const at = join(path, version, file.path);
    await mkdir(dirname(at), { recursive: true });
    await writeFile(at, file.content);
    if (group !== undefined) await chown(at, 0, group);
    await chmod(at, group === undefined ? file.mode : file.mode | 0o040);
  }
  await mkdir(join(path, version), { recursive: true });
  await symlink(version, join(path, `${DATA}_tmp`));
  await rename(join(path, `${DATA}_tmp`), join(path, DATA));
  await linkTopLevel(path, { files, previous });
  for (const name of previous.filter((entry) => entry.startsWith('..') && entry !== DATA)) {
    await rm(join(path, name), { recursive: true, force: true });
  }
}

async function linkTopLevel(
  path: string,
  { files, previous }: { files: readonly VolumeFile[]; previous: readonly string[] },
): Promise<void> {
  const wanted = new Set(files.map((file) => file.path.split('/')[0]!));
  for (const name of previous)
    if (!name.startsWith('..') && !wanted.has(name)) await rm(join(path, name), { recursive: true });
  for (const name of wanted) if (!previous.includes(name)) await symlink(join(DATA, name), join(path, name));
}

async function isCurrent(path: string, files: readonly VolumeFile[]): Promise<boolean> {
  try {
    const present = (await readdir(join(path, DATA), { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    if (present.length !== files.length) return false;
    const contents = await Promise.all(files.map((file) => readFile(join(path, DATA, file.path))));
    return contents.every((content, index) => content.equals(files[index]!.content));
  } catch {
    return false;
  }
}

function checkPath(path: string): void {
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw new ConfigError(`volume path ${JSON.stringify(path)} leaves its volume`);
}
