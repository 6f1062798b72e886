import { DEBIAN_PACKAGES, installPackages, missingPackages, TEST_PACKAGES } from '../../local/setup.ts';
import { type CommandContext, definedEnvironment, type RunCommand } from '../command.ts';

export const run: RunCommand = async (_call, context) => {
  await setUp(context);
  context.err('All Debian packages that are needed are installed.\n');
  return 0;
};

/** Debian has a user-mode Linux for this machine alone. */
const GUEST_MACHINE = 'x64';

/** Installs the Debian packages that are needed and missing, for tests too when they are asked for. */
export async function setUp(context: CommandContext, { tests = false } = {}): Promise<void> {
  const forTests = tests && context.machine === GUEST_MACHINE ? Object.keys(TEST_PACKAGES) : [];
  const missing = await missingPackages([...Object.keys(DEBIAN_PACKAGES), ...forTests]).catch(() => {
    throw new Error('setup needs Debian or a system like it: dpkg was not found');
  });
  if (missing.length > 0 && context.uid !== 0)
    throw new Error(`root is needed to install ${missing.join(', ')}: sudo ./sampan setup`);
  if (missing.length === 0) return;
  context.err(`Installing Debian packages: ${missing.join(', ')} …\n`);
  await installPackages(missing, definedEnvironment(context.env));
}
