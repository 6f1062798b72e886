import type { Socket as UdpSocket } from 'node:dgram';
import type { ServeOptions } from './listen.ts';
import { listenTcp, type TcpServer } from './tcp.ts';
import { listenUdp } from './udp.ts';

export interface Listener {
  readonly address: string;
  readonly port: number;
  close(): void;
}

const PORT_TRIES = 8;

/** Opens UDP and TCP on one address and port; rejects with the system's error when either is taken. */
export async function serve(options: ServeOptions): Promise<Listener> {
  for (let tries = 1; ; tries++) {
    const tcp = await listenTcp(options);
    const { port } = tcp.address() as { port: number };
    try {
      const udp = await listenUdp(options, port);
      return { address: options.listen.address, port, close: () => closeAll(udp, tcp) };
    } catch (error) {
      tcp.close();
      // The free port of TCP may be taken on UDP.
      if (options.listen.port !== 0 || tries === PORT_TRIES) throw error;
    }
  }
}

function closeAll(udp: UdpSocket, tcp: TcpServer): void {
  udp.close();
  tcp.close();
  for (const socket of tcp.sockets) socket.destroy();
}
