import { CommandError, run } from '../host/exec.ts';
import { netnsPath } from '../host/netns.ts';
import { converse } from '../host/terminal.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { ClusterPlan } from './plan.ts';
import { type Captures, captureFrom, expand, fill, problemsOf, type Step } from './walkthrough.ts';

export interface WalkOptions {
  readonly plan: ClusterPlan;
  /** With the right kubectl and KUBECONFIG. */
  readonly env: Record<string, string>;
  /** Where commands find the examples. */
  readonly cwd: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** One command that was run, as a person would see it. */
export interface Shown {
  /** Node, or empty for this machine. */
  readonly at: string;
  readonly command: string;
  readonly output: string;
  /** What is not as expected: empty when all is well. */
  readonly problems: readonly string[];
}

const COMMAND_TIMEOUT_MS = 60_000;
const RETRY_MS = 200;

/** Walks through steps one after the other, remembering what they capture. */
export class Walk {
  readonly #options: WalkOptions;
  #captures: Captures = new Map();

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  /** Runs all commands of a step, one after the other. */
  async step(step: Step, observer: WalkObserver = {}): Promise<Shown[]> {
    const shown: Shown[] = [];
    for (const captures of expand(step, this.#captures)) {
      const places = placesOf(this.#options.plan, step.on && fill(step.on, captures));
      for (const at of places) {
        const place = { ...at, command: fill(step.run, captures) };
        observer.begins?.(place);
        const one = await this.#until({ step, place, captures });
        observer.ended?.(one);
        shown.push(one);
      }
    }
    if (shown.length === 0) throw new Error(`walkthrough: nothing was captured to go through: ${step.each}`);
    const text = shown.map((one) => one.output).join('\n');
    this.#captures = captureFrom(step, text, this.#captures);
    return shown;
  }

  async #until(task: { step: Step; place: Place; captures: Captures }): Promise<Shown> {
    const { step, place, captures } = task;
    const { clock, signal } = this.#options;
    const deadline = clock.now() + (step.retrySeconds ?? 0) * 1000;
    for (;;) {
      const { output, failure } = await this.#execute(step, place);
      const problems = [...(failure ? [failure] : []), ...problemsOf(step, output, captures)];
      if (problems.length === 0 || clock.now() >= deadline)
        return { at: place.at, command: place.command, output, problems };
      await sleep(clock, RETRY_MS, signal);
    }
  }

  async #execute(step: Step, place: Place): Promise<{ output: string; failure?: string }> {
    const { env, cwd, signal } = this.#options;
    const shared = { env, cwd, signal, timeoutMs: COMMAND_TIMEOUT_MS };
    const enter = place.netns ? ['nsenter', `--net=${netnsPath(place.netns)}`, '--'] : [];
    try {
      if (step.typed) return await talk(step, place.command, shared);
      const [program = 'bash', ...words] = [...enter, 'bash', '-c', `exec 2>&1\n${place.command}`];
      return { output: (await run([program, ...words], shared)).stdout };
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return {
        output: error.stdout,
        failure: `the command failed: ${error.stderr.trim() || `exit code ${error.code}`}`,
      };
    }
  }
}

/** Is told of each command when it begins, and when it ended. */
export interface WalkObserver {
  readonly begins?: (command: Pick<Shown, 'at' | 'command'>) => void;
  readonly ended?: (shown: Shown) => void;
}

/** Where a step's command runs. Throws for a place that the cluster does not have. */
function placesOf({ nodes, lan }: ClusterPlan, on: string | undefined): Omit<Place, 'command'>[] {
  if (on === undefined) return [{ at: '', netns: undefined }];
  if (on === 'outside') return [{ at: on, netns: lan.netns }];
  const found = nodes.filter(({ name }) => on === 'nodes' || on === name);
  if (found.length === 0) throw new Error(`walkthrough: the cluster has no node ${JSON.stringify(on)}`);
  return found.map(({ name, netns }) => ({ at: name, netns }));
}

interface Place {
  readonly at: string;
  readonly netns: string | undefined;
  readonly command: string;
}

async function talk(
  step: Step,
  command: string,
  options: { env: Record<string, string>; cwd: string; signal: AbortSignal; timeoutMs: number },
): Promise<{ output: string; failure?: string }> {
  const exchanges = step.typed!.map(({ wait, type }) => ({ wait: new RegExp(wait, 'm'), type }));
  const { output, code } = await converse(command, { ...options, exchanges });
  return code === 0 ? { output } : { output, failure: `the command failed: exit code ${code}` };
}
