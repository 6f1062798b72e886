import type { Endpoint } from '../../servicemap/service-port.ts';
import type { Frontend } from '../frontends.ts';
import { type ChainId, rejectBy } from '../netfilter/chains.ts';
import { chainName, SHARED_CHAINS, type SharedChain } from './chains.ts';

/** Rules without their `-A chain`. */
type Rules = readonly string[];

/** All rules of one Service. */
export interface ServiceRules {
  /** Chains of its own. */
  readonly own: ReadonlyMap<ChainId, Rules>;
  /** Its rules in chains of all. */
  readonly shared: Readonly<Record<SharedChain, Rules>>;
}

export interface RuleOptions {
  /** Pod addresses of the whole cluster. */
  readonly clusterCidr: string;
  readonly nodeIps: readonly string[];
  /** Names of Services in the rules of their own chains: with very many endpoints they cost more than they tell. */
  readonly comments: boolean;
}

/** Rules of the frontends of one Service. Pure. */
export function renderService(frontends: readonly Frontend[], options: RuleOptions): ServiceRules {
  const draft = new Draft();
  for (const port of byPort(frontends)) new PortRenderer(port, draft, options).render();
  return draft;
}

class Draft implements ServiceRules {
  readonly own = new Map<ChainId, string[]>();
  readonly shared = Object.fromEntries(SHARED_CHAINS.map((chain) => [chain, [] as string[]])) as Record<
    SharedChain,
    string[]
  >;

  /** Once only: node ports come once for each address of the node. */
  add(chain: SharedChain, rule: string): void {
    if (!this.shared[chain].includes(rule)) this.shared[chain].push(rule);
  }
}

/** Frontends of a Service port, of all policies. */
interface Port {
  /** `namespace/name:port`. */
  readonly key: string;
  readonly protocol: string;
  readonly frontends: readonly Frontend[];
}

function byPort(frontends: readonly Frontend[]): Port[] {
  const ports = new Map<string, Frontend[]>();
  for (const frontend of frontends) {
    const key = `${frontend.list.slice(frontend.list.indexOf(' ') + 1)} ${frontend.protocol}`;
    ports.set(key, [...(ports.get(key) ?? []), frontend]);
  }
  return [...ports].map(([key, list]) => ({
    key: key.slice(0, key.lastIndexOf(' ')),
    protocol: list[0]!.protocol,
    frontends: list,
  }));
}

class PortRenderer {
  readonly #port: Port;
  readonly #draft: Draft;
  readonly #options: RuleOptions;
  /** Endpoint list → its chain. */
  readonly #lists = new Map<string, string>();

  constructor(port: Port, draft: Draft, options: RuleOptions) {
    this.#port = port;
    this.#draft = draft;
    this.#options = options;
  }

  render(): void {
    const { frontends } = this.#port;
    const ofPolicy = (policy: Frontend['policy']) => frontends.filter((frontend) => frontend.policy === policy);
    const [external, internal, kept] = [ofPolicy('external'), ofPolicy('internal'), ofPolicy('kept')];
    // The list that is not bound to this node gives its chain the plain name.
    for (const frontend of [...external, ...internal, ...kept]) this.#listChain(frontend);
    for (const frontend of internal) this.#renderInternal(frontend);
    for (const frontend of external)
      this.#renderExternal(
        frontend,
        kept.find(({ key }) => key === frontend.key),
      );
  }

  #renderInternal(frontend: Frontend): void {
    const chain = this.#listChain(frontend);
    const match = `${this.#comment('cluster IP')}${matchOf(frontend)}`;
    if (!chain) return this.#renderMissing('filter KUBE-SERVICES', frontend);
    this.#draft.add('nat KUBE-SERVICES', `${match} -j ${chain}`);
    const strangers = `${this.#comment('cluster IP')}${matchOf(frontend)} ! -s ${this.#options.clusterCidr}`;
    this.#draft.own.get(`nat ${chain}`)!.unshift(`${strangers} -j KUBE-MARK-MASQ`);
  }

  #renderExternal(frontend: Frontend, kept: Frontend | undefined): void {
    const isNodePort = this.#options.nodeIps.includes(frontend.ip);
    if (kept) this.#renderKeptMissing(kept);
    if (frontend.allowed.length > 0) this.#renderFirewall(frontend);
    const chain = this.#listChain(frontend);
    if (!chain) return this.#renderMissing('filter KUBE-EXTERNAL-SERVICES', frontend);
    const target = this.#externalChain(chain, kept && this.#listChain(kept), kept !== undefined);
    if (isNodePort) this.#draft.add('nat KUBE-NODEPORTS', `${this.#comment('')}${portMatch(frontend)} -j ${target}`);
    else this.#draft.add('nat KUBE-SERVICES', `${this.#comment('external IP')}${matchOf(frontend)} -j ${target}`);
  }

  /** Refused or dropped where packets end up that were not translated. */
  #renderMissing(chain: SharedChain, frontend: Frontend): void {
    if (frontend.otherwise === 'pass') return;
    const match = `${this.#comment(`has no ${frontend.otherwise === 'drop' ? 'local ' : ''}endpoints`)}${matchOf(frontend)}`;
    this.#draft.add(chain, `${match} -j ${frontend.otherwise === 'drop' ? 'DROP' : rejectBy(frontend.protocol)}`);
  }

  /** Before there is a route: without one the kernel would answer. */
  #renderKeptMissing(kept: Frontend): void {
    if (kept.endpoints.length > 0 || kept.otherwise !== 'drop') return;
    const strangers = `! -s ${this.#options.clusterCidr} -m addrtype ! --src-type LOCAL`;
    this.#draft.add(
      'mangle KUBE-PROXY-FIREWALL',
      `${this.#comment('has no local endpoints')}${matchOf(kept)} ${strangers} -j DROP`,
    );
  }

  #renderFirewall(frontend: Frontend): void {
    const chain = chainName('KUBE-FW', this.#port.key, this.#port.protocol);
    const rules = frontend.allowed.map((range) => `${this.#ownComment()}-s ${range} -j RETURN`);
    this.#draft.own.set(`mangle ${chain}`, [...rules, `${this.#ownComment()}-j DROP`]);
    this.#draft.add(
      'mangle KUBE-PROXY-FIREWALL',
      `${this.#comment('loadbalancer IP')}${matchOf(frontend)} -j ${chain}`,
    );
  }

  /** Where traffic to external addresses and node ports goes. */
  #externalChain(cluster: string, local: string | undefined, keepsSource: boolean): string {
    const chain = chainName('KUBE-EXT', this.#port.key, this.#port.protocol);
    const id: ChainId = `nat ${chain}`;
    if (this.#draft.own.has(id)) return chain;
    const { clusterCidr } = this.#options;
    const comment = this.#ownComment();
    const everybody = [`${comment}-j KUBE-MARK-MASQ`, `${comment}-j ${cluster}`];
    const own = [
      `${comment}-s ${clusterCidr} -j KUBE-MARK-MASQ`,
      `${comment}-s ${clusterCidr} -j ${cluster}`,
      `${comment}-m addrtype --src-type LOCAL -j ${cluster}`,
      ...(local ? [`${comment}-j ${local}`] : []),
    ];
    this.#draft.own.set(id, keepsSource ? own : everybody);
    return chain;
  }

  /** The chain that chooses among the endpoints of a frontend; none for none. */
  #listChain(frontend: Frontend): string | undefined {
    if (frontend.endpoints.length === 0) return undefined;
    const list = frontend.endpoints.map(({ ip, port }) => `${ip}:${port}`).join(' ');
    const known = this.#lists.get(list);
    if (known) return known;
    const { key, protocol } = this.#port;
    const chain =
      this.#lists.size === 0
        ? chainName('KUBE-SVC', key, protocol)
        : chainName('KUBE-SVL', key, protocol, this.#lists.size > 1 ? frontend.policy : '');
    this.#lists.set(list, chain);
    this.#renderList(chain, frontend);
    return chain;
  }

  #renderList(chain: string, { endpoints, affinitySeconds: seconds }: Frontend): void {
    const chains = endpoints.map((endpoint) => this.#endpointChain(endpoint, seconds));
    const comment = this.#ownComment();
    const stays = chains.map(
      (name) => `${comment}-m recent --name ${name} --rcheck --seconds ${seconds} --reap -j ${name}`,
    );
    const picks = chains.map((name, index) => {
      const left = chains.length - index;
      const chance = left > 1 ? `-m statistic --mode random --probability ${(1 / left).toFixed(10)} ` : '';
      return `${comment}${chance}-j ${name}`;
    });
    this.#draft.own.set(`nat ${chain}`, [...(seconds > 0 ? stays : []), ...picks]);
  }

  #endpointChain({ ip, port }: Endpoint, affinitySeconds: number): string {
    const { key, protocol } = this.#port;
    const to = ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
    const chain = chainName('KUBE-SEP', key, protocol, to);
    const comment = this.#ownComment();
    const remember = affinitySeconds > 0 ? `-m recent --name ${chain} --set ` : '';
    this.#draft.own.set(`nat ${chain}`, [
      `${comment}-s ${ip} -j KUBE-MARK-MASQ`,
      `${comment}${remember}-p ${protocol} -m ${protocol} -j DNAT --to-destination ${to}`,
    ]);
    return chain;
  }

  #comment(what: string): string {
    return `-m comment --comment "${`${this.#port.key} ${what}`.trim()}" `;
  }

  #ownComment(): string {
    return this.#options.comments ? this.#comment('') : '';
  }
}

function matchOf(frontend: Frontend): string {
  return `-d ${frontend.ip} ${portMatch(frontend)}`;
}

function portMatch({ protocol, port }: Frontend): string {
  return `-p ${protocol} -m ${protocol} --dport ${port}`;
}
