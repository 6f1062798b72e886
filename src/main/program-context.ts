import { createLogger } from '../lib/log.ts';
import type { CommandContext } from './command.ts';
import type { ProgramContext } from './config.ts';

/** Context of a long-running program: its log goes to standard output. */
export function programContext({ signal, clock, random, out }: CommandContext): ProgramContext {
  const log = createLogger({ write: (line) => out(`${line}\n`), now: () => clock.now() });
  return { signal, clock, random, log };
}
