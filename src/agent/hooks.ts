import type { Pod } from '../api/types.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Container } from './container-config.ts';
import type { Runtime } from './cri/runtime.ts';
import { httpProbe } from './probes.ts';

export type Hook = NonNullable<NonNullable<Container['lifecycle']>['preStop']>;

/** The container that a hook is for. */
export interface HookTarget {
  readonly pod: Pod;
  readonly container: Container;
  readonly id: string;
  readonly podIp: string;
  /** 0 for no limit of its own. */
  readonly timeoutSeconds: number;
}

const HTTP_TIMEOUT_MS = 30_000;

/** Runs `postStart` or `preStop` to its end. Rejects with what went wrong. */
export async function runHook(hook: Hook, target: HookTarget, at: { runtime: Runtime; clock: Clock }): Promise<void> {
  const { id, timeoutSeconds } = target;
  const limitSeconds = timeoutSeconds > 0 ? timeoutSeconds : Number.POSITIVE_INFINITY;
  if (hook.sleep) await sleep(at.clock, Math.min(hook.sleep.seconds, limitSeconds) * 1000);
  if (hook.exec) {
    const { command = [] } = hook.exec;
    const { exit_code: code, stderr } = await at.runtime.execSync({ id, command, timeoutSeconds });
    if (code !== 0)
      throw new Error(`command '${command.join(' ')}' exited with ${code}: ${Buffer.from(stderr)}`.trim());
  }
  if (hook.httpGet) {
    const failure = await httpProbe(target, hook.httpGet, Math.min(HTTP_TIMEOUT_MS, limitSeconds * 1000));
    if (failure !== undefined) throw new Error(failure);
  }
}
