import type { Ipset } from '../../host/ipset.ts';
import type { Iptables } from '../../host/iptables.ts';
import type { Ipvs, ListedVirtual } from '../../host/ipvs.ts';
import type { VirtualLink } from '../../host/virtual-link.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { FamilyAddresses, IpvsScheduler, Plan, ProxyBackend } from '../mode.ts';
import { adopt, cleanup, jumpsAreThere } from '../netfilter/adopt.ts';
import { OWNERSHIP } from './base.ts';
import { IpvsMode, type IpvsPlan, type Step } from './plan.ts';
import { addressWords } from './render.ts';
import { Termination } from './termination.ts';

export interface IpvsOptions {
  readonly ipvs: Ipvs;
  readonly iptables: Iptables;
  readonly ipset: Ipset;
  readonly link: VirtualLink;
  readonly setSysctls: (values: Readonly<Record<string, number>>) => void;
  readonly addresses: FamilyAddresses;
  readonly scheduler: IpvsScheduler | undefined;
  /** Another mode, for IPv6 alone. */
  readonly ipv6?: ProxyBackend | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

const SYSCTLS = {
  // Answers and masquerading need the kernel's memory of connections.
  'net/ipv4/vs/conntrack': 1,
  // A client that uses a port again must not be sent to where its last connection went.
  'net/ipv4/vs/conn_reuse_mode': 0,
  // Connections to an endpoint that is gone end; clients that stayed with it move on.
  'net/ipv4/vs/expire_nodest_conn': 1,
  'net/ipv4/vs/expire_quiescent_template': 1,
  // Every node has all addresses of Services: none may say so to its neighbours.
  'net/ipv4/conf/all/arp_ignore': 1,
  'net/ipv4/conf/all/arp_announce': 2,
};

/** Virtual servers of the kernel, with sets and few rules for what they can not do: for IPv4. */
export function ipvsBackend(options: IpvsOptions): ProxyBackend {
  const { ipvs, addresses, scheduler } = options;
  const termination = new Termination(options);
  const mode = new IpvsMode(addresses, { scheduler, ipv6: options.ipv6?.mode });
  return {
    name: 'ipvs',
    mode,
    rules: 'ipvs',
    run: (plan: Plan) => runPlan(plan as IpvsPlan, { options, termination }),
    async cleanup(heir) {
      if (heir?.rules === 'ipvs') return;
      await options.ipv6?.cleanup(heir);
      await removeAll(options);
    },
    intact: () => jumpsAreThere((table, name) => options.iptables.chain(4, table, name), OWNERSHIP),
    close() {
      termination.close();
      ipvs.close();
    },
  };
}

/** Addresses come last: until then nothing comes to the virtual servers. */
async function runPlan(plan: IpvsPlan, { options, termination }: { options: IpvsOptions; termination: Termination }) {
  const { ipvs, ipset, iptables, link, setSysctls, addresses } = options;
  const had = plan.complete ? await link.ensure() : [];
  if (plan.complete) setSysctls(SYSCTLS);
  const steps = plan.complete ? [...plan.steps, ...leftovers(plan.steps, ipvs.list())] : plan.steps;
  for (const step of steps) runStep(step, { ipvs, termination });
  if (plan.sets !== '') await ipset.restore(plan.sets);
  if (plan.rules !== '') await iptables.restore(4, adopt(plan.rules, await iptables.save(4), OWNERSHIP));
  const stale = had.filter((ip) => !plan.addresses.add.includes(ip));
  const remove = [...plan.addresses.remove, ...stale];
  if (plan.ipv6 && plan.ipv6.commands !== '') await options.ipv6!.run(plan.ipv6);
  const [source] = addresses.nodeIps;
  if (source !== undefined) await link.change({ add: plan.addresses.add, remove, source });
}

function runStep(step: Step, { ipvs, termination }: { ipvs: Ipvs; termination: Termination }): void {
  const { virtual } = step;
  try {
    if (step.do === 'set') return ipvs.setVirtual(virtual);
    if (step.do === 'delete') return ipvs.deleteVirtual(virtual.address);
    if (step.do === 'delete server') return termination.leave(virtual, step.server);
    ipvs.setServer(virtual.address, { ...step.server, weight: 1 });
    termination.stay(virtual, step.server);
  } catch (error) {
    throw new Error(`ipvs ${step.do} ${addressWords(virtual.address)}: ${(error as Error).message}`);
  }
}

/** What the kernel has and `wanted` does not make. Pure. */
export function leftovers(wanted: readonly Step[], listed: readonly ListedVirtual[]): Step[] {
  const servers = new Map<string, Set<string>>();
  for (const step of wanted) {
    const key = addressWords(step.virtual.address);
    if (!servers.has(key)) servers.set(key, new Set());
    if (step.do === 'set server') servers.get(key)!.add(`${step.server.ip}:${step.server.port}`);
  }
  return listed.flatMap(({ servers: has, ...virtual }): Step[] => {
    const wants = servers.get(addressWords(virtual.address));
    if (!wants) return [{ do: 'delete', virtual }];
    return has
      .filter(({ ip, port }) => !wants.has(`${ip}:${port}`))
      .map((server) => ({ do: 'delete server', virtual, server }));
  });
}

async function removeAll({ ipvs, iptables, ipset, link }: IpvsOptions): Promise<void> {
  const commands = cleanup(await iptables.save(4), OWNERSHIP);
  if (commands !== '') await iptables.restore(4, commands);
  await link.remove();
  for (const { address } of ipvs.list()) ipvs.deleteVirtual(address);
  const sets = (await ipset.names()).filter((name) => name.startsWith('KUBE-IPVS-'));
  if (sets.length > 0) await ipset.restore(sets.map((name) => `destroy ${name}\n`).join(''));
}
