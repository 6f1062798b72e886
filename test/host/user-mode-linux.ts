import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = '/usr/bin/linux.uml';
const MODULES = '/usr/lib/uml/modules';
const BEGIN = '== begin ==';
const END = '== end ==';

export interface GuestOptions {
  /** Kernel modules to load first. */
  readonly modules: readonly string[];
  readonly command: readonly string[];
  readonly cwd: string;
  readonly memoryMiB: number;
  readonly timeoutMs: number;
}

/** What keeps a user-mode Linux from running here; undefined when nothing does. */
export function noGuest(): string | undefined {
  const missing = [PROGRAM, MODULES, '/usr/sbin/modprobe'].filter((path) => !existsSync(path));
  return missing.length > 0 ? `needs ${missing.join(', ')} (packages user-mode-linux and kmod)` : undefined;
}

/**
 * Boots another Linux kernel as a process and runs a command in it as root. It sees this machine's files, and can not change
 * them; its network is its own and leads nowhere. Resolves with what the command printed; rejects with the whole console when
 * it did not come to its end.
 */
export async function runInGuest(options: GuestOptions): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-uml-'));
  try {
    const output = await boot(prepare(directory, options), { directory, ...options });
    const [, body] = output.replaceAll('\r', '').split(`${BEGIN}\n`);
    if (!body?.includes(END)) throw new Error(`the guest did not come to its end:\n${output}`);
    return body.slice(0, body.indexOf(END));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Writes the guest's first process; returns its path. */
function prepare(directory: string, { modules, command, cwd }: GuestOptions): string {
  mkdirSync(join(directory, 'lib/modules'), { recursive: true });
  for (const version of readdirSync(MODULES))
    symlinkSync(join(MODULES, version), join(directory, 'lib/modules', version));
  const init = join(directory, 'init');
  const script = [
    '#!/bin/sh',
    'export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root',
    'mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t tmpfs tmpfs /run',
    `for module in ${modules.join(' ')}; do modprobe -d ${directory} $module; done`,
    'echo 3 > /proc/sys/kernel/printk',
    `cd ${cwd}; echo "${BEGIN}"`,
    command.map((word) => `'${word}'`).join(' '),
    `echo "${END}"; echo o > /proc/sysrq-trigger; sleep 60`,
  ];
  writeFileSync(init, `${script.join('\n')}\n`, { mode: 0o755 });
  return init;
}

function boot(
  init: string,
  { directory, memoryMiB, timeoutMs }: GuestOptions & { directory: string },
): Promise<string> {
  const root = ['rootfstype=hostfs', 'root=/dev/root', 'ro', `init=${init}`];
  const console = ['con0=null,fd:1', 'con=null', 'umid=guest', `uml_dir=${directory}/`];
  const env = { PATH: process.env['PATH'], TMPDIR: directory };
  return new Promise((resolve, reject) => {
    const args = [`mem=${memoryMiB}M`, ...root, ...console];
    const child = spawn(PROGRAM, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      env,
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}
