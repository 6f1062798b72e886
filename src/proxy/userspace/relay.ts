import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Targets } from './balancer.ts';

/** A socket that clients of a Service port come to, and what it does with them. */
export interface Relay {
  setTargets(targets: Targets): void;
  /** Takes no more clients. Connections that there are go on; exchanges of datagrams end. */
  close(): void;
}

export interface RelayOptions {
  readonly ip: string;
  readonly port: number;
  readonly targets: Targets;
  readonly clock: Clock;
  readonly log: Logger;
  readonly room: Room;
}

/** How many clients there may be in all: each costs two descriptors. */
export class Room {
  #free: number;

  constructor(size: number) {
    this.#free = size;
  }

  /** False when all places are taken; else one is taken until {@link leave}. */
  enter(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  leave(): void {
    this.#free += 1;
  }
}
