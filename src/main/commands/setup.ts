import { installPackages, missingPackages } from '../../local/setup.ts';
import { type CommandContext, definedEnvironment, type RunCommand } from '../command.ts';

export const run: RunCommand = async (_call, context) => {
  await setUp(context);
  context.err('All Debian packages that are needed are installed.\n');
  return 0;
};

/** Installs the Debian packages that are needed and missing. */
export async function setUp(context: CommandContext): Promise<void> {
  const missing = await missingPackages().catch(() => {
    throw new Error('setup needs Debian or a system like it: dpkg was not found');
  });
  if (missing.length > 0 && context.uid !== 0)
    throw new Error(`root is needed to install ${missing.join(', ')}: sudo ./sampan setup`);
  if (missing.length === 0) return;
  context.err(`Installing Debian packages: ${missing.join(', ')} …\n`);
  await installPackages(missing, definedEnvironment(context.env));
}
