import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { cidrAddress, formatIp, parseCidr } from '../lib/ip.ts';
import { renderKubeconfig } from '../pki/kubeconfig.ts';
import { type PkiFiles, pairPaths, planPki } from '../pki/plan.ts';
import type { ClusterPlan } from './plan.ts';

/** Issues the certificates that are missing or about to end, and writes the kubeconfig. */
export function applyPki(plan: ClusterPlan, clock: Clock): void {
  const { pki } = plan.directories;
  const { files, changed } = planPki({
    existing: readFiles(pki),
    clock,
    serverAddresses: [plan.lan.address, kubernetesServiceIp(plan)],
    nodes: plan.nodes.map((node) => ({ name: node.name, addresses: [node.ip] })),
  });
  for (const path of changed) writeSecret(join(pki, path), files.get(path)!);
  writeSecret(plan.kubeconfig, kubeconfig(plan, files));
}

/** The Service `kubernetes` has the first address of the Service CIDR. */
function kubernetesServiceIp(plan: ClusterPlan): string {
  return formatIp(cidrAddress(parseCidr(plan.serviceCidr)!, 1));
}

function kubeconfig(plan: ClusterPlan, files: PkiFiles): string {
  const admin = pairPaths('admin');
  return renderKubeconfig({
    name: `sampan-${plan.name}`,
    server: `https://127.0.0.1:${plan.port}`,
    caPem: files.get(pairPaths('ca').cert)!,
    user: { certPem: files.get(admin.cert)!, keyPem: files.get(admin.key)! },
  });
}

function readFiles(directory: string): PkiFiles {
  if (!existsSync(directory)) return new Map();
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(directory.length + 1), readFileSync(path, 'utf8')]),
  );
}

/** Whole or not at all, and readable by its owner alone. */
function writeSecret(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
