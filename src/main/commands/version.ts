import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVER_VERSION } from '../../apiserver/discovery.ts';
import { KUBECTL_VERSIONS } from '../../local/kubectl.ts';
import type { RunCommand } from '../command.ts';

export const run: RunCommand = async (_call, { root, out }) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  out(
    `sampan ${version}\nKubernetes API ${SERVER_VERSION.gitVersion}\nkubectl ${KUBECTL_VERSIONS.join(', ')}\nNode ${process.version}\n`,
  );
  return 0;
};
