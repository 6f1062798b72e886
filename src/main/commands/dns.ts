import { startDns } from '../../dns/dns.ts';
import { serveDnsMetrics } from '../../dns/exporter.ts';
import { untilAborted } from '../../lib/abort.ts';
import { connectAlone } from '../alone.ts';
import type { RunCommand } from '../command.ts';
import { numberFlag } from '../local-context.ts';

export const run: RunCommand = async ({ flags }, context) => {
  const alone = connectAlone(flags, context);
  const address = String(flags['listen']);
  const upstreams = String(flags['upstream'] ?? '')
    .split(',')
    .filter(Boolean);
  const { metrics } = await startDns({
    ...alone,
    listen: [{ address, port: numberFlag(flags, 'port')! }],
    clusterDomain: String(flags['domain']),
    reverseCidrs: String(flags['reverse-cidr']).split(','),
    upstreams,
  });
  const port = numberFlag(flags, 'metrics-port');
  if (port) serveDnsMetrics({ ...alone, metrics, listen: { address, port } });
  await untilAborted(alone.signal);
  return 0;
};
