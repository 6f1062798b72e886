import koffi from 'koffi';
import { parseIp } from '../lib/ip.ts';
import { attribute, attributesIn, NetlinkError, openNetlink } from './netlink.ts';

/** Addresses of one network link that other hosts of its network find by ARP. */
export interface LinkAddresses {
  /** All IPv4 addresses of the link. */
  list(): string[];
  /** Adds an address of its own (`/32`), or renews it: without renewal it ends after its lifetime. */
  set(ip: string, options: { lifetimeS: number }): void;
  /** Nothing happens when it is not there. */
  remove(ip: string): void;
  /** Tells the network at once who has the address now (gratuitous ARP, RFC 5227 section 3). */
  announce(ip: string): void;
  close(): void;
}

const NETLINK_ROUTE = 0;
const AF_INET = 2;
const RTM = { newLink: 16, getLink: 18, newAddress: 20, deleteAddress: 21, getAddress: 22 } as const;
const NLM_F = { ack: 0x4, replace: 0x100, dump: 0x300, create: 0x400 } as const;
const IFA = { address: 1, local: 2, cacheInfo: 6, flags: 8 } as const;
const IFLA = { address: 1, name: 3 } as const;
const IFA_F_NOPREFIXROUTE = 0x200;
const EADDRNOTAVAIL = 99;
const HOST_PREFIX = 32;
/** struct ifinfomsg and struct ifaddrmsg. */
const LINK_BYTES = 16;
const ADDRESS_BYTES = 8;

/** In this process's network namespace. Throws when it has no such link. */
export function openLinkAddresses(link: string): LinkAddresses {
  const netlink = openNetlink(NETLINK_ROUTE);
  const { index, mac } = findLink(
    netlink.request({ type: RTM.getLink, flags: NLM_F.dump, body: Buffer.alloc(LINK_BYTES) }),
    link,
  );
  const arp = openArp(index);
  return {
    list() {
      const body = Buffer.alloc(ADDRESS_BYTES);
      body.writeUInt8(AF_INET, 0);
      return netlink
        .request({ type: RTM.getAddress, flags: NLM_F.dump, body })
        .flatMap((answer) => addressOf(answer, index));
    },
    set(ip, { lifetimeS }) {
      const body = Buffer.concat([
        addressMessage(ip, index),
        attribute(IFA.cacheInfo, lifetimes(lifetimeS)),
        flagsOf(),
      ]);
      netlink.request({ type: RTM.newAddress, flags: NLM_F.ack | NLM_F.create | NLM_F.replace, body });
    },
    remove(ip) {
      try {
        netlink.request({ type: RTM.deleteAddress, flags: NLM_F.ack, body: addressMessage(ip, index) });
      } catch (error) {
        if (!(error instanceof NetlinkError && error.errno === EADDRNOTAVAIL)) throw error;
      }
    },
    announce: (ip) => arp.send(gratuitousArp(ip, mac)),
    close() {
      netlink.close();
      arp.close();
    },
  };
}

function findLink(answers: readonly Buffer[], name: string): { index: number; mac: Buffer } {
  for (const answer of answers) {
    const attributes = attributesIn(answer.subarray(LINK_BYTES));
    const found = attributes.get(IFLA.name)?.toString('latin1').replace(/\0.*$/, '');
    if (found === name) return { index: answer.readInt32LE(4), mac: Buffer.from(attributes.get(IFLA.address)!) };
  }
  throw new Error(`link ${name}: there is none in this network namespace`);
}

function addressOf(answer: Buffer, index: number): string[] {
  if (answer.readUInt32LE(4) !== index) return [];
  const local = attributesIn(answer.subarray(ADDRESS_BYTES)).get(IFA.local);
  return local ? [[...local].join('.')] : [];
}

/** struct ifaddrmsg with the address. */
function addressMessage(ip: string, index: number): Buffer {
  const header = Buffer.alloc(ADDRESS_BYTES);
  header.writeUInt8(AF_INET, 0);
  header.writeUInt8(HOST_PREFIX, 1);
  header.writeUInt32LE(index, 4);
  const bytes = ipv4Bytes(ip);
  return Buffer.concat([header, attribute(IFA.local, bytes), attribute(IFA.address, bytes)]);
}

/** struct ifa_cacheinfo: preferred and valid lifetime in seconds. */
function lifetimes(seconds: number): Buffer {
  const info = Buffer.alloc(16);
  info.writeUInt32LE(seconds, 0);
  info.writeUInt32LE(seconds, 4);
  return info;
}

function flagsOf(): Buffer {
  const flags = Buffer.alloc(4);
  flags.writeUInt32LE(IFA_F_NOPREFIXROUTE, 0);
  return attribute(IFA.flags, flags);
}

function ipv4Bytes(ip: string): Buffer {
  const parsed = parseIp(ip);
  if (parsed?.family !== 4) throw new Error(`address of a link: expected IPv4, actual ${ip}`);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(Number(parsed.value));
  return bytes;
}

const BROADCAST = Buffer.alloc(6, 0xff);
const ETHERTYPE_ARP = 0x0806;

/** An Ethernet frame: an ARP request in which sender and target are the same address. */
export function gratuitousArp(ip: string, mac: Buffer): Buffer {
  const address = ipv4Bytes(ip);
  const head = Buffer.from([ETHERTYPE_ARP >> 8, ETHERTYPE_ARP & 0xff, 0, 1, 8, 0, 6, 4, 0, 1]);
  return Buffer.concat([BROADCAST, mac, head, mac, address, Buffer.alloc(6), address]);
}

const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC = 0x8_0003;

/** A socket for whole frames on one link (packet(7)). */
function openArp(index: number) {
  const libc = koffi.load('libc.so.6');
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const sendTo = libc.func(
    'intptr_t sendto(int fd, const void *bytes, size_t length, int flags, const void *to, int toLength)',
  );
  const closeFd = libc.func('int close(int fd)');
  const fd = socket(AF_PACKET, SOCK_RAW_CLOEXEC, 0) as number;
  if (fd < 0) throw new NetlinkError('packet socket', koffi.errno());
  const to = linkLayerAddress(index);
  return {
    send(frame: Buffer) {
      if (Number(sendTo(fd, frame, frame.length, 0, to, to.length)) < 0)
        throw new NetlinkError('send ARP', koffi.errno());
    },
    close: () => void closeFd(fd),
  };
}

/** struct sockaddr_ll. */
function linkLayerAddress(index: number): Buffer {
  const to = Buffer.alloc(20);
  to.writeUInt16LE(AF_PACKET, 0);
  to.writeUInt16BE(ETHERTYPE_ARP, 2);
  to.writeInt32LE(index, 4);
  to.writeUInt8(6, 11);
  BROADCAST.copy(to, 12);
  return to;
}
