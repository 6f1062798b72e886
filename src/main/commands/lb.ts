import { createEventRecorder } from '../../client/events.ts';
import { openLinkAddresses } from '../../host/link-addresses.ts';
import { untilAborted } from '../../lib/abort.ts';
import { startLoadBalancer } from '../../loadbalancer/controller.ts';
import { startHeartbeat } from '../../loadbalancer/heartbeat.ts';
import { parsePool } from '../../loadbalancer/pool.ts';
import { startSpeaker } from '../../loadbalancer/speaker.ts';
import { type Alone, connectAlone, requiredFlag } from '../alone.ts';
import { type FlagValues, type RunCommand, UsageError } from '../command.ts';

/** Gives addresses, or announces them for one node, or both. */
export const run: RunCommand = async ({ flags }, context) => {
  const pool = parsePool(requiredFlag(flags, 'pool'));
  const loadBalancerClass = String(flags['class']);
  if (!flags['assign'] && !flags['node-name'])
    throw new UsageError('sampan lb: --assign, --node-name or both are needed');
  const alone = connectAlone(flags, context);
  if (flags['assign']) {
    const recorder = createEventRecorder({ ...alone, component: 'sampan-lb' });
    startLoadBalancer({ ...alone, recorder, pool, loadBalancerClass });
  }
  if (flags['node-name']) await announce(flags, { ...alone, pool, loadBalancerClass });
  await untilAborted(alone.signal);
  return 0;
};

async function announce(
  flags: FlagValues,
  options: Alone & { pool: ReturnType<typeof parsePool>; loadBalancerClass: string },
): Promise<void> {
  const nodeName = requiredFlag(flags, 'node-name');
  const link = openLinkAddresses(requiredFlag(flags, 'link'));
  const speaker = startSpeaker({ ...options, nodeName, link });
  const broadcast = requiredFlag(flags, 'broadcast');
  await startHeartbeat({ ...options, nodeName, broadcast, onHeard: (claim) => speaker.heard(claim) });
}
