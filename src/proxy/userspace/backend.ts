import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Plan, ProxyAddresses, ProxyBackend } from '../mode.ts';
import { type Listener, UserspaceMode, type UserspacePlan } from './plan.ts';
import { PortPool, PROXY_PORTS } from './port-pool.ts';
import { type Relay, Room } from './relay.ts';
import { openTcpRelay } from './tcp.ts';
import { openUdpRelay } from './udp.ts';

/** Connections and exchanges at once, of all Services. */
const CLIENTS_MAX = 8192;

/** Clients that came by the old rules are still taken, after the rules are gone. */
const LINGER_MS = 1000;

export interface UserspaceOptions {
  /** The mode whose rules lead clients to the proxy. */
  readonly rules: ProxyBackend;
  readonly addresses: ProxyAddresses;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A process, or a mode, that ended right before this one may still hold the ports that it had. */
function anyPort(clock: Clock): number {
  return PROXY_PORTS.first + ((Math.floor(clock.now()) * 7919) % (PROXY_PORTS.last - PROXY_PORTS.first));
}

/** Every connection goes through this process, which tries another endpoint when one does not answer. */
export function userspaceBackend({ rules, addresses, clock, log }: UserspaceOptions): ProxyBackend {
  const mode = new UserspaceMode(rules.mode, addresses, new PortPool(anyPort(clock)));
  const relays = new Map<string, Relay>();
  const room = new Room(CLIENTS_MAX);
  const open = async (listener: Listener) => {
    const openRelay = listener.protocol === 'udp' ? openUdpRelay : openTcpRelay;
    try {
      relays.set(listener.name, await openRelay({ ...listener, targets: listener, clock, log, room }));
    } catch (error) {
      // Another program has it: the next try is with another.
      mode.pool.block(listener.port);
      throw error;
    }
  };
  const close = ({ name }: Pick<Listener, 'name'>) => {
    const relay = relays.get(name);
    relays.delete(name);
    if (relay) clock.after(LINGER_MS, () => relay.close());
  };
  return {
    name: 'userspace',
    mode,
    rules: rules.rules,
    async run(plan: Plan) {
      const { open: fresh, retarget, close: gone, rules: portals } = plan as UserspacePlan;
      try {
        for (const listener of fresh) await open(listener);
        if (portals.commands !== '') await rules.run(portals);
      } catch (error) {
        fresh.forEach(close);
        throw error;
      }
      for (const listener of retarget) relays.get(listener.name)?.setTargets(listener);
      gone.forEach(close);
    },
    cleanup: (heir) => rules.cleanup(heir),
    intact: async () => (await rules.intact?.()) ?? true,
    close() {
      for (const name of [...relays.keys()]) close({ name });
      rules.close();
    },
  };
}
