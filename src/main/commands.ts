import { CONTROLLER } from '../ingress/classes.ts';
import { LOAD_BALANCER_CLASS } from '../loadbalancer/assign.ts';
import { kubeconfigFlag } from './alone.ts';
import type { CommandSpec, FlagSpec } from './command.ts';

const name: FlagSpec = { type: 'string', value: 'CLUSTER', default: 'dev', about: 'Name of the cluster' };
const output: FlagSpec = { type: 'string', value: 'FORMAT', default: 'table', about: 'table or json', short: 'o' };

/** Everything that `sampan` can be told to do. */
export const commands: readonly CommandSpec[] = [
  {
    name: 'demo',
    summary: 'Set up this machine, start a cluster and walk through "Connecting Applications with Services"',
    operands: '[WALKTHROUGH]',
    flags: {
      name,
      nodes: { type: 'string', value: 'N', about: 'Number of nodes (default: 3)' },
      port: { type: 'string', value: 'PORT', about: 'Port of 127.0.0.1 for the API server (default: 6443)' },
    },
    load: () => import('./commands/demo.ts'),
  },
  {
    name: 'up',
    summary: 'Start a cluster, or what is missing of it',
    flags: {
      name,
      nodes: { type: 'string', value: 'N', about: 'Number of nodes (default: 3)' },
      port: { type: 'string', value: 'PORT', about: 'Port of 127.0.0.1 for the API server (default: 6443)' },
      'fake-nodes': {
        type: 'string',
        value: 'N',
        about: 'Number of nodes without containers, whose pods are only recorded as running (default: 0)',
      },
      'dry-run': { type: 'boolean', about: 'Print what would be started, and change nothing' },
      'service-cidr': {
        type: 'string',
        value: 'CIDR[,CIDR]',
        about: 'Addresses of Services (default: 10.96.0.0/16); with IPv6: 10.96.0.0/16,fd00:10:96::/108',
      },
      'cluster-cidr': {
        type: 'string',
        value: 'CIDR[,CIDR]',
        about: 'Addresses of pods (default: 10.244.0.0/16); with IPv6: 10.244.0.0/16,fd00:10:244::/48',
      },
      'nodeport-addresses': {
        type: 'string',
        value: 'CIDR,…',
        about: "Networks of the nodes' addresses that node ports answer at (default: primary, the node's own address)",
      },
      'proxy-mode': {
        type: 'string',
        value: 'MODE',
        about: 'nftables (default), iptables, ipvs[/SCHEDULER] or userspace; others by node: iptables,node-2=userspace',
      },
    },
    load: () => import('./commands/up.ts'),
  },
  {
    name: 'down',
    summary: 'Take a cluster off this machine, with all its state',
    flags: { name },
    load: () => import('./commands/down.ts'),
  },
  {
    name: 'status',
    summary: 'Show nodes, processes, memory and addresses of a cluster',
    flags: { name, output },
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'kubectl',
    summary: 'Run the pinned kubectl against a cluster',
    operands: 'WORDS…',
    flags: {
      name,
      'kubectl-version': { type: 'string', value: 'VERSION', default: '1.35', about: '1.35 or 1.32' },
    },
    passesOn: true,
    load: () => import('./commands/kubectl.ts'),
  },
  {
    name: 'node',
    summary: 'Run a command in the network namespace of a node',
    operands: 'NODE [--] COMMAND…',
    flags: { name },
    passesOn: true,
    load: () => import('./commands/node.ts'),
  },
  {
    name: 'proxy',
    summary: 'Show or change the mode of the Service proxy, while the nodes run; or run it alone, with --kubeconfig',
    operands: '[NODE…]',
    flags: {
      name,
      mode: { type: 'string', value: 'MODE', about: 'nftables, iptables, ipvs[/SCHEDULER] or userspace, from now on' },
      cleanup: { type: 'boolean', about: 'Remove the rules that proxies left on nodes whose agent does not run' },
      kubeconfig: kubeconfigFlag,
      'node-name': { type: 'string', value: 'NODE', about: 'With --kubeconfig: the node that this is' },
      'node-ip': { type: 'string', value: 'ADDRESS', about: 'With --kubeconfig: the address of its node ports' },
      'cluster-cidr': { type: 'string', value: 'CIDR', default: '10.244.0.0/16', about: 'With --kubeconfig: of pods' },
      'service-cidr': {
        type: 'string',
        value: 'CIDR',
        default: '10.96.0.0/16',
        about: 'With --kubeconfig: of Services',
      },
      here: { type: 'boolean', about: 'With --cleanup: in this network namespace, of whatever cluster' },
    },
    load: () => import('./commands/proxy.ts'),
  },
  {
    name: 'image',
    summary: 'Build the example images from Debian packages, load archives into all nodes, list what is loaded',
    operands: 'build | load FILE… | list',
    flags: { name },
    load: () => import('./commands/image.ts'),
  },
  {
    name: 'logs',
    summary: 'Show the log of a program of the cluster',
    operands: '[server | agent NODE | containerd NODE | ingress NODE]',
    flags: { name },
    load: () => import('./commands/logs.ts'),
  },
  {
    name: 'setup',
    summary: 'Install the Debian packages that are needed and missing',
    load: () => import('./commands/setup.ts'),
  },
  {
    name: 'test',
    summary: 'Run all tests, or those of some stages',
    operands: '[FILE…]',
    flags: {
      stage: { type: 'string', value: 'STAGES', about: 'Comma-separated: check, unit, host, e2e (default: all)' },
    },
    load: () => import('./commands/test.ts'),
  },
  {
    name: 'bench',
    summary: 'Measure speed and memory, and print the figures with the machine',
    operands: '[NAME…]',
    load: () => import('./commands/bench.ts'),
  },
  {
    name: 'server',
    summary: 'Run one API server with its controllers and scheduler in the foreground',
    flags: {
      config: { type: 'string', value: 'FILE', about: 'Configuration (JSON)' },
      'token-auth-file': {
        type: 'string',
        value: 'FILE',
        about: 'Static bearer tokens: token,user,uid,"groups" a line',
      },
      'audit-log-path': { type: 'string', value: 'FILE', about: 'Write an audit event a request to this file' },
      'audit-policy-file': { type: 'string', value: 'FILE', about: 'Audit policy (default: Metadata of everything)' },
      'max-requests-inflight': { type: 'string', value: 'N', about: 'Reading requests at once (default: 400)' },
      'max-mutating-requests-inflight': {
        type: 'string',
        value: 'N',
        about: 'Writing requests at once (default: 200)',
      },
    },
    load: () => import('./commands/server.ts'),
  },
  {
    name: 'agent',
    summary: "Run one node's agent in the foreground",
    flags: { config: { type: 'string', value: 'FILE', about: 'Configuration (JSON)' } },
    load: () => import('./commands/agent.ts'),
  },
  {
    name: 'fake-nodes',
    summary: 'Run the nodes without containers in the foreground',
    flags: { config: { type: 'string', value: 'FILE', about: 'Configuration (JSON)' } },
    load: () => import('./commands/fake-nodes.ts'),
  },
  {
    name: 'dns',
    summary: 'Answer the names of any Kubernetes cluster in the foreground',
    flags: {
      kubeconfig: kubeconfigFlag,
      listen: { type: 'string', value: 'ADDRESS', default: '127.0.0.1', about: 'Address to listen at' },
      port: { type: 'string', value: 'PORT', default: '53', about: 'Port for UDP and TCP' },
      domain: { type: 'string', value: 'DOMAIN', default: 'cluster.local', about: 'Domain of the cluster' },
      'reverse-cidr': {
        type: 'string',
        value: 'CIDRS',
        default: '10.96.0.0/16,10.244.0.0/16',
        about: 'Comma-separated: networks of Services and pods',
      },
      upstream: { type: 'string', value: 'SERVERS', about: 'Comma-separated: who is asked for all other names' },
      'metrics-port': { type: 'string', value: 'PORT', about: 'Port for metrics' },
    },
    load: () => import('./commands/dns.ts'),
  },
  {
    name: 'lb',
    summary:
      'Give and announce addresses for Services of type LoadBalancer of any Kubernetes cluster, in the foreground',
    flags: {
      kubeconfig: kubeconfigFlag,
      pool: { type: 'string', value: 'ADDRESSES', about: 'Comma-separated: ranges first-last, or CIDRs' },
      class: { type: 'string', value: 'CLASS', default: LOAD_BALANCER_CLASS, about: 'spec.loadBalancerClass to serve' },
      assign: { type: 'boolean', about: 'Write addresses into the status of Services: once in a cluster' },
      'node-name': { type: 'string', value: 'NODE', about: 'Announce the share of this node, on which this runs' },
      link: { type: 'string', value: 'LINK', about: "With --node-name: the link to the nodes' network" },
      broadcast: { type: 'string', value: 'ADDRESS', about: 'With --node-name: broadcast address of that network' },
    },
    load: () => import('./commands/lb.ts'),
  },
  {
    name: 'ingress',
    summary: 'Serve the Ingresses of any Kubernetes cluster in the foreground, through HAProxy',
    flags: {
      kubeconfig: kubeconfigFlag,
      listen: { type: 'string', value: 'ADDRESS', default: '0.0.0.0', about: 'Address to listen at' },
      'http-port': { type: 'string', value: 'PORT', default: '80', about: 'Port for HTTP' },
      'https-port': { type: 'string', value: 'PORT', default: '443', about: 'Port for HTTPS' },
      publish: { type: 'string', value: 'ADDRESSES', about: 'Comma-separated: what Ingresses show as their addresses' },
      controller: {
        type: 'string',
        value: 'NAME',
        default: CONTROLLER,
        about: 'spec.controller of the classes to serve',
      },
      directory: { type: 'string', value: 'DIR', default: '/run/sampan-ingress', about: "HAProxy's files" },
      dns: {
        type: 'string',
        value: 'ADDRESS',
        about: 'DNS server for ExternalName Services (default: as the system has it)',
      },
    },
    load: () => import('./commands/ingress.ts'),
  },
  { name: 'version', summary: 'Show versions', load: () => import('./commands/version.ts') },
];
