import { Resolver } from 'node:dns/promises';
import { existsSync, readFileSync } from 'node:fs';
import { createEventRecorder } from '../../client/events.ts';
import { startIngress } from '../../ingress/start.ts';
import { fixedPublisher } from '../../ingress/status.ts';
import { untilAborted } from '../../lib/abort.ts';
import { parseIp } from '../../lib/ip.ts';
import { connectAlone } from '../alone.ts';
import { type FlagValues, type RunCommand, UsageError } from '../command.ts';
import { makeDefaultCertificate } from '../default-certificate.ts';
import { numberFlag } from '../local-context.ts';
import { resolveWith } from '../resolve.ts';

/** Ends with its HAProxy. */
export const run: RunCommand = async ({ flags }, context) => {
  const alone = connectAlone(flags, context);
  let certificate: string | undefined;
  const controller = startIngress({
    ...alone,
    recorder: createEventRecorder({ ...alone, component: 'sampan-ingress' }),
    controllerName: String(flags['controller']),
    publisher: fixedPublisher(addressesOf(flags)),
    haproxy: {
      directory: String(flags['directory']),
      listen: [listenOf(flags)],
      ...accountOf(context.uid),
      defaultCertificate: () => (certificate ??= makeDefaultCertificate(alone.clock)),
    },
    resolve: resolveWith(resolverOf(flags)),
  });
  await untilAborted(alone.signal);
  await controller.stop();
  return 0;
};

function listenOf(flags: FlagValues) {
  const address = String(flags['listen']);
  if (!parseIp(address)) throw new UsageError(`--listen: expected an IP address, actual: ${address}`);
  return { address, httpPort: numberFlag(flags, 'http-port')!, httpsPort: numberFlag(flags, 'https-port')! };
}

/** Addresses to publish; where it listens when none are given, and nothing when that is everywhere. */
function addressesOf(flags: FlagValues): string[] {
  if (flags['publish']) return String(flags['publish']).split(',');
  const address = String(flags['listen']);
  return ['0.0.0.0', '::'].includes(address) ? [] : [address];
}

/** The package of HAProxy brings an account for its workers; only root can change to it. */
function accountOf(uid: number) {
  const known = uid === 0 && existsSync('/etc/passwd') && /^haproxy:/m.test(readFileSync('/etc/passwd', 'utf8'));
  return known ? { user: { name: 'haproxy', group: 'haproxy' } } : {};
}

function resolverOf(flags: FlagValues): Resolver {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (flags['dns']) resolver.setServers([String(flags['dns'])]);
  return resolver;
}
