import type { Ipvs, ListedVirtual, VirtualAddress, VirtualServer } from '../../host/ipvs.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Endpoint } from '../../servicemap/service-port.ts';
import { addressWords } from './render.ts';

/** A real server that gets no new connections and goes when its old ones have ended. */
interface Leaving {
  readonly address: VirtualAddress;
  readonly server: Endpoint;
  readonly since: number;
}

const CHECK_MS = 10_000;
/** Connections that are still there then are broken. */
const LEAVING_MAX_MS = 15 * 60_000;

/** Lets connections to endpoints that are gone come to their end. */
export class Termination {
  readonly #ipvs: Ipvs;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #leaving = new Map<string, Leaving>();
  #cancel: (() => void) | undefined;

  constructor(options: { ipvs: Ipvs; clock: Clock; log: Logger }) {
    this.#ipvs = options.ipvs;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  get size(): number {
    return this.#leaving.size;
  }

  /** No new connections from now on. What has no end of its own goes at once. */
  leave({ address }: VirtualServer, server: Endpoint): void {
    if ('protocol' in address && address.protocol !== 'tcp') return this.#ipvs.deleteServer(address, server);
    this.#ipvs.setServer(address, { ...server, weight: 0 });
    this.#leaving.set(nameOf(address, server), { address, server, since: this.#clock.now() });
    this.#cancel ??= this.#clock.after(CHECK_MS, () => this.#check());
  }

  /** It came back. */
  stay({ address }: VirtualServer, server: Endpoint): void {
    this.#leaving.delete(nameOf(address, server));
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #check(): void {
    this.#cancel = undefined;
    try {
      const connections = countConnections(this.#ipvs.list());
      for (const [name, { address, server, since }] of this.#leaving) {
        const count = connections.get(name);
        if (count && this.#clock.now() - since < LEAVING_MAX_MS) continue;
        this.#leaving.delete(name);
        if (count !== undefined) this.#ipvs.deleteServer(address, server);
      }
    } catch (error) {
      this.#log.warn('endpoints that are gone could not be removed', { error });
    }
    if (this.#leaving.size > 0) this.#cancel = this.#clock.after(CHECK_MS, () => this.#check());
  }
}

function countConnections(listed: readonly ListedVirtual[]): Map<string, number> {
  return new Map(
    listed.flatMap(({ address, servers }) =>
      servers.map((server) => [nameOf(address, server), server.connections] as const),
    ),
  );
}

function nameOf(address: VirtualAddress, { ip, port }: Endpoint): string {
  return `${addressWords(address)} ${ip}:${port}`;
}
