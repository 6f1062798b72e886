import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, run } from '../../src/host/exec.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { connect } from '../../src/local/connect.ts';
import { leftovers } from '../../src/local/down.ts';
import { kubectlPath } from '../../src/local/kubectl.ts';
import { type ClusterPlan, planCluster } from '../../src/local/plan.ts';
import { ROOT } from '../source.ts';

/** The cluster of the end-to-end tests: the test runner takes it down whatever happens. */
export const plan: ClusterPlan = planCluster({ name: 'e2e', nodes: 3, port: 16553 });

/** A second cluster beside it; the test runner takes it down too. */
export const second: ClusterPlan = planCluster({ name: 'e2e-second', nodes: 1, port: 16554 });

/** What keeps the end-to-end tests from running here; undefined when nothing does. */
export function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = ['/usr/bin/containerd', '/usr/sbin/runc', '/usr/lib/cni/ptp', '/usr/sbin/nft'].filter(
    (path) => !existsSync(path),
  );
  return missing.length > 0 ? `${missing.join(', ')} missing: run "sampan setup"` : undefined;
}

/** Runs `sampan` as a person does; resolves with what it printed. */
export async function sampan(...words: string[]): Promise<string> {
  return (await run([join(ROOT, 'sampan'), ...words], { cwd: ROOT, timeoutMs: 240_000 })).stdout;
}

/** Runs `sampan`, which must fail; resolves with what it said. */
export async function sampanFails(...words: string[]): Promise<string> {
  try {
    await sampan(...words);
  } catch (error) {
    if (error instanceof CommandError) return error.stderr;
    throw error;
  }
  throw new Error(`sampan ${words.join(' ')}: expected a failure`);
}

export async function startCluster(): Promise<void> {
  await sampan('image', 'build', '--name', plan.name);
  await sampan('up', '--name', plan.name, '--nodes', String(plan.nodes.length), '--port', String(plan.port));
}

export async function stopCluster(): Promise<string[]> {
  await sampan('down', '--name', plan.name);
  return leftovers(plan);
}

/** Environment in which `kubectl` is a pinned one and talks to the cluster. */
export function kubectlEnvironment(version: string): Record<string, string> {
  const directory = join(kubectlPath(version, ROOT), '..');
  const inherited = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    ...Object.fromEntries(inherited),
    KUBECONFIG: plan.kubeconfig,
    PATH: `${directory}:${process.env['PATH']}`,
  };
}

/** Runs the pinned kubectl; resolves with its output. */
export async function kubectl(...words: string[]): Promise<string> {
  return (await run(['kubectl', ...words], { env: kubectlEnvironment('1.35'), cwd: ROOT, timeoutMs: 60_000 })).stdout;
}

export function serverReady(): Promise<boolean> {
  return connect(plan, systemClock).serverReady();
}
