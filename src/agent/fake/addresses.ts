import { cidrAddress, formatIp } from '../../lib/ip.ts';
import { fakePodCidr } from './objects.ts';

interface Holder {
  readonly uid: string;
  /** Of the node. */
  readonly index: number;
}

/** Of a share of 256: the network, the gateway and the broadcast address are no pod's. */
const FIRST = 2;
const LAST = 254;

/** Gives the pods of fake nodes addresses from their nodes' shares. */
export class AddressPools {
  /** Index of a node → addresses that are taken. */
  readonly #taken = new Map<number, Set<string>>();
  readonly #holders = new Map<string, { index: number; ip: string }>();

  /** The address of a pod, the same one each time. Throws when the node has none left. */
  take({ uid, index }: Holder): string {
    const known = this.#holders.get(uid);
    if (known) return known.ip;
    const taken = this.#taken.get(index);
    for (let offset = FIRST; offset <= LAST; offset++) {
      const ip = formatIp(cidrAddress(fakePodCidr(index), offset));
      if (taken?.has(ip)) continue;
      this.reserve({ uid, index, ip });
      return ip;
    }
    throw new Error(`no pod address is left on the fake node with index ${index}`);
  }

  /** An address that a pod has already. */
  reserve({ uid, index, ip }: Holder & { ip: string }): void {
    if (this.#holders.has(uid)) return;
    this.#holders.set(uid, { index, ip });
    this.#taken.set(index, (this.#taken.get(index) ?? new Set()).add(ip));
  }

  release(uid: string): void {
    const held = this.#holders.get(uid);
    if (!held) return;
    this.#holders.delete(uid);
    this.#taken.get(held.index)?.delete(held.ip);
  }
}
