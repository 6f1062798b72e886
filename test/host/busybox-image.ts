import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/host/exec.ts';

const APPLETS =
  'sh cat echo sleep tail ls env printenv id hostname nslookup wget httpd nc kill true false touch head wc';

/** An OCI archive below `directory` whose images hold a static busybox under each of the names. Returns its path. */
export async function makeBusyboxArchive(directory: string, names: readonly string[]): Promise<string> {
  const layer = await makeLayer(directory);
  const blobs = join(directory, 'image/blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const put = async (content: Buffer, mediaType: string) => {
    const digest = createHash('sha256').update(content).digest('hex');
    await writeFile(join(blobs, digest), content);
    return { mediaType, digest: `sha256:${digest}`, size: content.length };
  };
  const json = (value: unknown, type: string) =>
    put(Buffer.from(JSON.stringify(value)), `application/vnd.oci.image.${type}+json`);
  const layerBlob = await put(layer, 'application/vnd.oci.image.layer.v1.tar');
  const config = await json(
    {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Env: ['PATH=/bin'], Cmd: ['sleep', '1000000'] },
      rootfs: { type: 'layers', diff_ids: [layerBlob.digest] },
    },
    'config.v1',
  );
  const manifest = await json({ schemaVersion: 2, config, layers: [layerBlob] }, 'manifest.v1');
  const manifests = names.map((name) => ({ ...manifest, annotations: { 'io.containerd.image.name': name } }));
  await writeFile(join(directory, 'image/oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(directory, 'image/index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  const archive = join(directory, 'image.tar');
  await run(['tar', '-C', join(directory, 'image'), '-cf', archive, 'oci-layout', 'index.json', 'blobs']);
  return archive;
}

async function makeLayer(directory: string): Promise<Buffer> {
  const root = join(directory, 'rootfs');
  for (const name of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'www'])
    await mkdir(join(root, name), { recursive: true });
  await copyFile(await findBusybox(), join(root, 'bin/busybox'));
  for (const applet of APPLETS.split(' ')) await symlink('busybox', join(root, 'bin', applet));
  await writeFile(join(root, 'www/index.html'), 'hello\n');
  await run(['tar', '-C', root, '--owner=0', '--group=0', '-cf', join(directory, 'layer.tar'), '.']);
  return readFile(join(directory, 'layer.tar'));
}

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/sampan');

/** The installed static busybox, or the one of Debian's package, which is kept for the next time. */
export async function findBusybox(): Promise<string> {
  const found = ['/bin/busybox', join(CACHE, 'bin/busybox')].find((path) => existsSync(path));
  if (found) return found;
  await mkdir(CACHE, { recursive: true });
  await run(['apt-get', 'download', 'busybox-static'], { cwd: CACHE });
  const file = (await readdir(CACHE)).find((name) => name.startsWith('busybox-static'))!;
  await run(['dpkg-deb', '-x', join(CACHE, file), CACHE]);
  return join(CACHE, 'bin/busybox');
}
