import { readFileSync } from 'node:fs';
import { run } from './exec.ts';

/** Mount points at or below `path`, deepest first. */
export function mountsBelow(path: string): string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8))),
    );
  return points.filter((point) => point === path || point.startsWith(`${path}/`)).reverse();
}

/** Unmounts everything at or below `path`. */
export async function unmountBelow(path: string): Promise<void> {
  const points = mountsBelow(path);
  if (points.length > 0) await run(['umount', '--lazy', ...points]);
}

export async function mountTmpfs(path: string, options = 'mode=0755'): Promise<void> {
  await run(['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', path]);
}
