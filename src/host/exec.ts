import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

export interface RunOptions {
  /** Written to the command's standard input. */
  input?: string;
  env?: Record<string, string>;
  cwd?: string;
  signal?: AbortSignal;
  /** The command is killed after this time. */
  timeoutMs?: number;
}

export interface RunResult {
  stdout: string;
  stderr: string;
}

/** A command that could not be run, or ended with a failure. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(command: readonly string[], outcome: { code?: number; stdout?: string; stderr: string }) {
    super(`${command.join(' ')}: ${outcome.stderr.trim() || `exit code ${outcome.code}`}`);
    this.code = outcome.code;
    this.stdout = outcome.stdout ?? '';
    this.stderr = outcome.stderr;
  }
}

/** Runs a command to its end. Rejects with {@link CommandError} unless it exits with 0. */
export function run(command: readonly [string, ...string[]], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const [program, ...args] = command;
    const { cwd, env, signal, timeoutMs: timeout } = options;
    const child = spawn(program, args, { cwd, env, signal, timeout, killSignal: 'SIGKILL' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', (error) => reject(new CommandError(command, { stderr: error.message })));
    child.on('close', (code) => {
      if (code === 0) resolve({ stdout, stderr });
      else reject(new CommandError(command, { code: code ?? undefined, stdout, stderr }));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

/** Runs a command on this terminal; resolves with its exit code. */
export function runInteractive(command: readonly [string, ...string[]], env?: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const [program, ...args] = command;
    const child = spawn(program, args, { stdio: 'inherit', env });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

export interface DetachOptions {
  command: readonly [string, ...string[]];
  /** Output is appended here. */
  logFile: string;
  /** Path of the network namespace to run in. */
  netns?: string;
  env?: Record<string, string>;
  /** Descriptors that the process gets as 3, 4, … */
  inherit?: readonly number[];
}

/** Starts a process that outlives this one, in a session of its own; returns its id. */
export function spawnDetached({ command, logFile, netns, env, inherit = [] }: DetachOptions): number {
  const log = openSync(logFile, 'a');
  try {
    // nsenter execs the program: the id stays the same. `ip netns exec` would hide the cgroup mounts.
    const [program, ...args] = netns ? ['nsenter', `--net=${netns}`, '--', ...command] : command;
    const child = spawn(program!, args, { detached: true, stdio: ['ignore', log, log, ...inherit], env });
    child.on('error', () => {});
    child.unref();
    if (child.pid === undefined) throw new CommandError(command, { stderr: 'could not be started' });
    return child.pid;
  } finally {
    closeSync(log);
  }
}
