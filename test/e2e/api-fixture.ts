import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, run } from '../../src/host/exec.ts';
import { kubectlPath } from '../../src/local/kubectl.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { type HttpsServer, startHttpsServer } from '../../src/testing/https-server.ts';
import { ROOT } from '../source.ts';

/** An API server with nothing behind it, and the pinned kubectls that talk to it. */
export interface ApiFixture {
  readonly server: HttpsServer;
  readonly directory: string;
  /** Writes a file for `-f`; answers its path. */
  file(name: string, text: string): string;
  /** What a kubectl says on both its outputs, whether it went well or not. */
  kubectl(version: string, ...words: string[]): Promise<string>;
  stop(): void;
}

export async function startApi(): Promise<ApiFixture> {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-api-'));
  const server = await startHttpsServer({ store: createMemoryStore(), readPackageFile });
  const kubeconfig = join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, server.kubeconfig);
  const env = { KUBECONFIG: kubeconfig, HOME: directory, PATH: process.env['PATH'] ?? '' };
  return {
    server,
    directory,
    file: (name, text) => {
      const path = join(directory, name);
      writeFileSync(path, text);
      return path;
    },
    kubectl: async (version, ...words) => {
      const command: [string, ...string[]] = [kubectlPath(version, ROOT), ...words];
      try {
        const { stdout, stderr } = await run(command, { cwd: directory, env, timeoutMs: 60_000 });
        return stdout + stderr;
      } catch (error) {
        if (error instanceof CommandError) return error.stdout + error.stderr;
        throw error;
      }
    },
    stop: () => {
      server.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

function readPackageFile(path: string): string | undefined {
  const file = join(ROOT, 'node_modules', path);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
