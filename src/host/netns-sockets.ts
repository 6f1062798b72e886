import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';
import { parseIp } from '../lib/ip.ts';

/** Sockets in another network namespace than this process's (setns(2)). */
export interface NetnsSockets {
  /** A listening TCP socket; returns its file descriptor. Throws {@link SocketError}. */
  listen(at: { address: string; port: number }): number;
  /** A bound UDP socket. */
  bind(at: { address: string; port: number }): number;
  close(): void;
}

/** The kernel's refusal of a socket. */
export class SocketError extends Error {
  override name = 'SocketError';
  /** A number of errno(3), such as 98 for EADDRINUSE. */
  readonly errno: number;

  constructor(action: string, errno: number) {
    super(`${action}: errno ${errno}`);
    this.errno = errno;
  }
}

const AF_INET = 2;
const CLOEXEC_NONBLOCK = 0o2004000;
const SOCK = { stream: 1 | CLOEXEC_NONBLOCK, datagram: 2 | CLOEXEC_NONBLOCK } as const;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const CLONE_NEWNET = 0x40000000;
const BACKLOG = 511;

/** `netnsFd` is an open `/proc/<pid>/ns/net`. Needs CAP_SYS_ADMIN. */
export function openNetnsSockets(netnsFd: number): NetnsSockets {
  const libc = koffi.load('libc.so.6');
  const calls = {
    setns: libc.func('int setns(int fd, int type)'),
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    setOption: libc.func('int setsockopt(int fd, int level, int name, const void *value, int length)'),
    bind: libc.func('int bind(int fd, const void *address, int length)'),
    listen: libc.func('int listen(int fd, int backlog)'),
  };
  const own = openSync('/proc/thread-self/ns/net', 'r');
  const checked = (action: string, result: number) => {
    if (result < 0) throw new SocketError(action, koffi.errno());
    return result;
  };
  /** Nothing else runs on this thread meanwhile; to stay behind in the other namespace would be worse than to die. */
  const inside = (type: number): number => {
    checked('enter network namespace', calls.setns(netnsFd, CLONE_NEWNET) as number);
    const fd = calls.socket(AF_INET, type, 0) as number;
    const errno = koffi.errno();
    checked('leave network namespace', calls.setns(own, CLONE_NEWNET) as number);
    if (fd < 0) throw new SocketError('socket', errno);
    return fd;
  };
  /** A socket stays in the namespace where it was made, so all that follows may happen outside. */
  const open = (
    type: number,
    { address, port }: { address: string; port: number },
    finish: (fd: number) => void,
  ): number => {
    const fd = inside(type);
    try {
      const one = Buffer.from([1, 0, 0, 0]);
      checked('reuse address', calls.setOption(fd, SOL_SOCKET, SO_REUSEADDR, one, one.length) as number);
      const name = socketAddress(address, port);
      checked(`bind ${address}:${port}`, calls.bind(fd, name, name.length) as number);
      finish(fd);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  };
  return {
    listen: (at) =>
      open(
        SOCK.stream,
        at,
        (fd) => void checked(`listen ${at.address}:${at.port}`, calls.listen(fd, BACKLOG) as number),
      ),
    bind: (at) => open(SOCK.datagram, at, () => {}),
    close: () => closeSync(own),
  };
}

/** struct sockaddr_in. */
function socketAddress(address: string, port: number): Buffer {
  const ip = parseIp(address);
  if (ip?.family !== 4) throw new Error(`socket address: expected IPv4, actual ${address}`);
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.writeUInt32BE(Number(ip.value), 4);
  return bytes;
}
