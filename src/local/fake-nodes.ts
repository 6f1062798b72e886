import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { nodes } from '../api/kinds/node.ts';
import { netnsPath } from '../host/netns.ts';
import { signalProcess } from '../host/process.ts';
import { sleep } from '../lib/clock.ts';
import type { Administrator } from './connect.ts';
import { runningProcess, startProcess, waitFor } from './processes.ts';
import { fakeNodesConfig } from './program-config.ts';
import type { UpOptions } from './up.ts';

const STOP_POLL_MS = 20;
const READY_TIMEOUT_MS = 300_000;

/** Starts the process of the fake nodes if there are to be any, anew if their number is another. Resolves when all are ready. */
export async function startFakeNodes(options: UpOptions, administrator: Administrator): Promise<void> {
  const { plan, program, clock, signal } = options;
  const { fakeNodes } = plan;
  const config = `${JSON.stringify(fakeNodesConfig(plan), null, 2)}\n`;
  const old = existsSync(fakeNodes.configFile) ? readFileSync(fakeNodes.configFile, 'utf8') : undefined;
  const running = runningProcess(fakeNodes);
  if (fakeNodes.count === 0 && old === undefined) return;
  if (running && old !== config) {
    signalProcess(running.pid, 'SIGTERM');
    while (runningProcess(fakeNodes)) await sleep(clock, STOP_POLL_MS, signal);
  }
  mkdirSync(dirname(fakeNodes.configFile), { recursive: true, mode: 0o711 });
  writeFileSync(fakeNodes.configFile, config, { mode: 0o600 });
  const command = [...program, 'fake-nodes', '--config', fakeNodes.configFile] as const;
  if (!startProcess(fakeNodes, { command: [...command], netns: netnsPath(plan.lan.netns) })) return;
  await waitFor({
    what: 'fake nodes',
    check: async () => (await countReady(administrator)) === fakeNodes.count,
    process: fakeNodes,
    timeoutMs: READY_TIMEOUT_MS,
    clock,
    signal,
    pollMs: 200,
  });
}

async function countReady({ client }: Administrator): Promise<number> {
  const { items } = await client.list(nodes, { labelSelector: 'sampan.dev/fake=true' });
  return items.filter(({ status }) => status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'))
    .length;
}
