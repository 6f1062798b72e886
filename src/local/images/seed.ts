import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { run, spawnDetached } from '../../host/exec.ts';
import { unmountBelow } from '../../host/mounts.ts';
import { identify, isAlive, signalProcess } from '../../host/process.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { BuiltImage } from './build.ts';
import { importImage } from './load.ts';

export interface SeedOptions {
  /** The image cache. */
  directory: string;
  images: readonly BuiltImage[];
  clock: Clock;
  signal: AbortSignal;
  report: (message: string) => void;
}

/** Databases that containerd writes in place: they must be copied where all else can be linked. */
const DATABASES = ['io.containerd.metadata.v1.bolt/meta.db', 'io.containerd.snapshotter.v1.overlayfs/metadata.db'];

/**
 * A root directory of containerd in which the images are imported and unpacked already. Made once for a set of images;
 * new nodes begin with a copy of it, so that nothing has to be imported while a cluster starts.
 */
export async function ensureSeed(options: SeedOptions): Promise<string> {
  const keys = options.images.map((image) => image.key).sort();
  const key = createHash('sha256').update(keys.join()).digest('hex').slice(0, 24);
  const seed = join(options.directory, `seed-${key}`);
  if (existsSync(seed)) return seed;
  options.report(`unpacking ${options.images.length} images`);
  const work = mkdtempSync(join(options.directory, 'seeding-'));
  try {
    await fillRoot(work, options);
    // Nodes that began with another one keep their own links to its files.
    for (const name of readdirSync(options.directory))
      if (name.startsWith('seed-')) rmSync(join(options.directory, name), { recursive: true, force: true });
    renameSync(join(work, 'root'), seed);
  } finally {
    await unmountBelow(work);
    rmSync(work, { recursive: true, force: true });
  }
  return seed;
}

async function fillRoot(work: string, options: SeedOptions): Promise<void> {
  const socket = join(work, 'c.sock');
  const config = join(work, 'config.toml');
  writeFileSync(config, seedConfig(work, socket));
  const pid = spawnDetached({ command: ['containerd', '--config', config], logFile: join(work, 'log') });
  const identity = identify(pid);
  try {
    while (!existsSync(socket)) {
      if (!identity || !isAlive(identity)) throw new Error('containerd could not be started to unpack images');
      await sleep(options.clock, 10, options.signal);
    }
    for (const image of options.images) await importImage(socket, image.file);
  } finally {
    // Its databases are whole only after it ended by itself.
    if (identity && isAlive(identity)) signalProcess(pid, 'SIGTERM');
    while (identity && isAlive(identity)) await sleep(options.clock, 10);
  }
}

function seedConfig(work: string, socket: string): string {
  const text = (value: string) => JSON.stringify(value);
  return [
    'version = 2',
    `root = ${text(join(work, 'root'))}`,
    `state = ${text(join(work, 'state'))}`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
    '[grpc]',
    `  address = ${text(socket)}`,
    '',
  ].join('\n');
}

/** Fills a node's containerd root from a seed, unless it exists. Content and unpacked layers are shared as hard links. */
export async function plantSeed(seed: string, root: string): Promise<void> {
  if (existsSync(root)) return;
  mkdirSync(dirname(root), { recursive: true });
  const work = `${root}.new`;
  rmSync(work, { recursive: true, force: true });
  await run(['cp', '-al', seed, work]);
  for (const database of DATABASES) {
    rmSync(join(work, database));
    copyFileSync(join(seed, database), join(work, database));
  }
  renameSync(work, root);
}
