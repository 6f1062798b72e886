import { join } from 'node:path';
import { systemClock } from '../lib/clock.ts';
import { type CommandContext, type CommandSpec, commandHelp, overview, parseCall, UsageError } from './command.ts';
import { commands } from './commands.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

async function main(words: readonly string[], context: CommandContext): Promise<number> {
  const [name = 'help', ...rest] = words;
  if (['help', '--help', '-h'].includes(name)) return help(rest[0], context);
  if (name === '--version') return main(['version'], context);
  const spec = findCommand(name);
  const call = parseCall(spec, rest);
  if (call.flags['help']) return help(name, context);
  const { run } = await spec.load();
  return run(call, context);
}

function help(name: string | undefined, { out }: CommandContext): number {
  out(name ? commandHelp(findCommand(name)) : overview(commands));
  return 0;
}

function findCommand(name: string): CommandSpec {
  const spec = commands.find((command) => command.name === name);
  if (!spec) throw new UsageError(`sampan: unknown command ${JSON.stringify(name)} (see "sampan help")`);
  return spec;
}

/** Aborts at the first signal; a second one ends the process at once. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort(new Error('interrupted'));
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return controller.signal;
}

function report(error: unknown, debug: boolean): number {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`${debug ? stack : message}\n`);
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
}

const context: CommandContext = {
  env: process.env,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  signal: abortOnSignals(),
  clock: systemClock,
  random: Math.random,
  pid: process.pid,
  uid: process.getuid?.() ?? -1,
  program: [process.execPath, ...process.execArgv, import.meta.filename],
  root: join(import.meta.dirname, '..', '..'),
  machine: process.arch,
  terminal: process.stdout.isTTY === true,
};

process.exitCode = await main(process.argv.slice(2), context).catch((error: unknown) =>
  report(error, process.env['SAMPAN_DEBUG'] !== undefined),
);
// Requests and sockets of a command that is over must not keep the program.
if (!['server', 'agent'].includes(process.argv[2] ?? '')) process.exit();
