import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../host/exec.ts';
import { packageClosure, parseDependencies } from './closure.ts';
import { type ImageSpec, NEVER_NEEDED } from './spec.ts';

/** A Debian package in the version that apt would install. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

const DEPENDS = [
  'apt-cache',
  'depends',
  '--recurse',
  '--no-recommends',
  '--no-suggests',
  '--no-conflicts',
  '--no-breaks',
  '--no-replaces',
  '--no-enhances',
] as const;

/** The packages that each image consists of. Throws when apt does not know one: its lists may be missing or old. */
export async function resolvePackages(
  specs: readonly Pick<ImageSpec, 'packages' | 'exclude'>[],
): Promise<DebianPackage[][]> {
  const roots = [...new Set(specs.flatMap((spec) => spec.packages))];
  const { stdout } = await run(['env', 'LC_ALL=C', ...DEPENDS, ...roots]);
  const graph = parseDependencies(stdout);
  const closures = specs.map((spec) => {
    const exclude = new Set([...NEVER_NEEDED, ...(spec.exclude ?? [])]);
    return packageClosure(graph, { roots: spec.packages, exclude });
  });
  const names = [...new Set(closures.flat())];
  const shown = await run(['env', 'LC_ALL=C', 'apt-cache', 'show', '--no-all-versions', ...names]);
  const known = new Map(parsePackages(shown.stdout).map((one) => [one.name, one]));
  return closures.map((closure) => closure.map((name) => found(known, name)));
}

function found(known: ReadonlyMap<string, DebianPackage>, name: string): DebianPackage {
  const one = known.get(name);
  if (!one) throw new Error(`package ${name}: apt has no version of it to install`);
  return one;
}

/** Reads the answer of `apt-cache show`. */
export function parsePackages(text: string): DebianPackage[] {
  const found = new Map<string, DebianPackage>();
  for (const stanza of text.split('\n\n')) {
    const field = (name: string) => new RegExp(`^${name}: (.+)$`, 'm').exec(stanza)?.[1] ?? '';
    const name = field('Package');
    if (name && !found.has(name))
      found.set(name, { name, version: field('Version'), architecture: field('Architecture') });
  }
  return [...found.values()];
}

/** The name under which `apt-get download` stores a package. */
export function packageFile({ name, version, architecture }: DebianPackage): string {
  return `${name}_${version.replaceAll(':', '%3a')}_${architecture}.deb`;
}

/** Downloads what is not in the directory yet. */
export async function downloadPackages(packages: readonly DebianPackage[], directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const missing = packages.filter((one) => !existsSync(join(directory, packageFile(one))));
  if (missing.length === 0) return;
  const wanted = new Set(missing.map((one) => `${one.name}=${one.version}`));
  await run(['apt-get', 'download', '-q', '-o', 'APT::Sandbox::User=root', ...wanted], { cwd: directory });
}
