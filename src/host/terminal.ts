import { spawn } from 'node:child_process';
import { CommandError } from './exec.ts';

/** What a person does at a terminal: waits until something stands there, then types. */
export interface Exchange {
  /** Looked for in what came since the last exchange. */
  readonly wait: RegExp;
  /** Without its line end. */
  readonly type: string;
}

export interface ConverseOptions {
  readonly exchanges: readonly Exchange[];
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs a shell command on a pseudo-terminal (by `script` of util-linux), types when what is waited for has come, and resolves
 * with all that the terminal showed, free of control sequences, and the exit code. Rejects when time is over.
 */
export function converse(command: string, options: ConverseOptions): Promise<{ output: string; code: number }> {
  const { env, cwd, signal, timeoutMs: timeout } = options;
  return new Promise((resolve, reject) => {
    const words = ['--quiet', '--flush', '--return', '--command', command, '/dev/null'];
    const child = spawn('script', words, { env, cwd, signal, timeout, killSignal: 'SIGKILL' });
    const waiting = [...options.exchanges];
    let output = '';
    let seen = 0;
    const onText = (text: string) => {
      output += text;
      while (waiting[0]?.wait.test(plainText(output.slice(seen)))) {
        seen = output.length;
        child.stdin.write(`${waiting.shift()!.type}\n`);
      }
    };
    child.stdout.setEncoding('utf8').on('data', onText);
    child.stderr.setEncoding('utf8').on('data', onText);
    child.stdin.on('error', () => {});
    child.on('error', (error) => reject(new CommandError(['script', command], { stderr: error.message })));
    child.on('close', (code) => {
      if (code !== null) resolve({ output: plainText(output), code });
      else
        reject(
          new CommandError(['script', command], { stderr: `no end after ${timeout} ms`, stdout: plainText(output) }),
        );
    });
  });
}

/** Terminal output without control sequences (ECMA-48, 5.4 and 8.3) and carriage returns. */
function plainText(text: string): string {
  return text.replaceAll(/\x1b\[[0-?]*[ -/]*[@-~]/g, '').replaceAll('\r', '');
}
