import { installPackages, missingPackages } from '../../local/setup.ts';
import { type CommandContext, definedEnvironment, type RunCommand } from '../command.ts';

export const run: RunCommand = async (_call, context) => {
  await setUp(context);
  return 0;
};

/** Installs the Debian packages that are needed and missing. */
export async function setUp(context: CommandContext): Promise<void> {
  const missing = await missingPackages().catch(() => {
    throw new Error('setup needs Debian or a system like it: dpkg was not found');
  });
  if (missing.length === 0) return context.err('All Debian packages that are needed are installed.\n');
  context.err(`Installing Debian packages: ${missing.join(', ')} …\n`);
  await installPackages(missing, definedEnvironment(context.env));
}
