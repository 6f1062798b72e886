import koffi from 'koffi';

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 0x8_0003;
const MSG_DONTWAIT = 0x40;
const HEADER_BYTES = 16;
const RECEIVE_BYTES = 65_536;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSG_MIN_TYPE = 16;
const TYPE_MASK = 0x3fff;

/** The kernel's refusal of a netlink request. */
export class NetlinkError extends Error {
  override name = 'NetlinkError';
  /** A number of errno(3), such as 2 for ENOENT. */
  readonly errno: number;

  constructor(action: string, errno: number) {
    super(`netlink ${action}: errno ${errno}`);
    this.errno = errno;
  }
}

/** A socket to one part of the kernel, in this process's network namespace (netlink(7)). */
export interface Netlink {
  /** Sends a request and returns the bodies of the messages that answer it. Throws {@link NetlinkError}. */
  request(message: { type: number; flags: number; body: Buffer }): Buffer[];
  close(): void;
}

/** Answers of the kernel are there when the request has been sent: nothing waits. */
export function openNetlink(protocol: number): Netlink {
  const libc = koffi.load('libc.so.6');
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const send = libc.func('intptr_t send(int fd, const void *bytes, size_t length, int flags)');
  const receive = libc.func('intptr_t recv(int fd, _Out_ void *bytes, size_t length, int flags)');
  const close = libc.func('int close(int fd)');
  const checked = (action: string, result: number) => {
    if (result < 0) throw new NetlinkError(action, koffi.errno());
    return result;
  };
  const fd = checked('socket', socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol) as number);
  const buffer = Buffer.alloc(RECEIVE_BYTES);
  let sequence = 0;
  return {
    request({ type, flags, body }) {
      sequence += 1;
      const bytes = encode({ type, flags: flags | NLM_F_REQUEST, sequence, body });
      checked('send', Number(send(fd, bytes, bytes.length, 0)));
      return collect(sequence, () => {
        const length = checked('recv', Number(receive(fd, buffer, buffer.length, MSG_DONTWAIT)));
        return buffer.subarray(0, length);
      });
    },
    close: () => void close(fd),
  };
}

function encode(message: { type: number; flags: number; sequence: number; body: Buffer }): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(HEADER_BYTES + message.body.length, 0);
  header.writeUInt16LE(message.type, 4);
  header.writeUInt16LE(message.flags, 6);
  header.writeUInt32LE(message.sequence, 8);
  return Buffer.concat([header, message.body]);
}

/** Reads until the answer to `sequence` is complete; what is left of earlier requests is passed over. */
function collect(sequence: number, receive: () => Buffer): Buffer[] {
  const bodies: Buffer[] = [];
  for (;;) {
    for (const { type, body, ...message } of messagesIn(receive())) {
      if (message.sequence !== sequence) continue;
      if (type === NLMSG_DONE) return bodies;
      if (type === NLMSG_ERROR) {
        const errno = -body.readInt32LE(0);
        if (errno !== 0) throw new NetlinkError('request', errno);
        return bodies;
      }
      if (type >= NLMSG_MIN_TYPE) bodies.push(Buffer.from(body));
    }
  }
}

function* messagesIn(bytes: Buffer) {
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER_BYTES) return;
    yield {
      type: bytes.readUInt16LE(at + 4),
      sequence: bytes.readUInt32LE(at + 8),
      body: bytes.subarray(at + HEADER_BYTES, at + length),
    };
    at += align(length);
  }
}

/** Attributes by type (without the flags for nesting and byte order), each with its own bytes. */
export function attributesIn(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4) break;
    found.set(bytes.readUInt16LE(at + 2) & TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

/** One attribute; `type` carries its flags. */
export function attribute(type: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(align(4 + body.length));
  bytes.writeUInt16LE(4 + body.length, 0);
  bytes.writeUInt16LE(type, 2);
  body.copy(bytes, 4);
  return bytes;
}

function align(length: number): number {
  return (length + 3) & ~3;
}
