import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Plan, ProxyAddresses, ProxyBackend } from '../mode.ts';
import { type Listener, UserspaceMode, type UserspacePlan } from './plan.ts';
import { type Relay, Room } from './relay.ts';
import { openTcpRelay } from './tcp.ts';
import { openUdpRelay } from './udp.ts';

/** Connections and exchanges at once, of all Services. */
const CLIENTS_MAX = 8192;

export interface UserspaceOptions {
  /** The mode whose rules lead clients to the proxy. */
  readonly rules: ProxyBackend;
  readonly addresses: ProxyAddresses;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Every connection goes through this process, which tries another endpoint when one does not answer. */
export function userspaceBackend({ rules, addresses, clock, log }: UserspaceOptions): ProxyBackend {
  const mode = new UserspaceMode(rules.mode, addresses);
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
  const close = ({ name }: Listener) => {
    relays.get(name)?.close();
    relays.delete(name);
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
    close() {
      for (const relay of relays.values()) relay.close();
      relays.clear();
      rules.close();
    },
  };
}
