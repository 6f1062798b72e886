import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What package-lock.json says of one package. */
interface LockedPackage {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

export interface Lock {
  packages: Record<string, LockedPackage>;
}

/** A build of a package for one platform: `@biomejs/cli-linux-x64-musl`. */
const PLATFORM =
  /(android|darwin|freebsd|linux|openbsd|win32)-(arm64|arm|ia32|loong64|ppc64|riscv64|s390x|x64)(?:-(musl|gnu))?$/;

/**
 * Builds for other platforms that packages of the lock may choose from and that the lock does not list. A registry that has
 * only some platforms makes npm leave the others out, and then refuse the lock as out of step.
 */
export function missingBuilds({ packages }: Lock): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {};
  for (const [path, one] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(one.optionalDependencies ?? {})) {
      const platform = PLATFORM.exec(name);
      const key = `node_modules/${name}`;
      if (!platform || packages[key] || packages[`${path}/${key}`]) continue;
      const [, os, cpu, libc] = platform;
      missing[key] = {
        version,
        cpu: [cpu!],
        ...(one.dev ? { dev: true } : {}),
        ...(libc === 'musl' ? { libc: ['musl'] } : {}),
        optional: true,
        os: [os!],
      };
    }
  }
  return missing;
}

function complete(file: string): void {
  const lock = JSON.parse(readFileSync(file, 'utf8')) as Lock;
  const { '': root, ...packages } = { ...lock.packages, ...missingBuilds(lock) };
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(
    `${file}.new`,
    `${JSON.stringify({ ...lock, packages: { '': root, ...Object.fromEntries(sorted) } }, null, 2)}\n`,
  );
  renameSync(`${file}.new`, file);
}

if (import.meta.main) complete(join(import.meta.dirname, '..', 'package-lock.json'));
