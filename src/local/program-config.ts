import { join } from 'node:path';
import { nodeClientName, nodeServingName, pairPaths } from '../pki/plan.ts';
import type { ClusterPlan, NodePlan } from './plan.ts';

/** Configuration of the server program: the fields of `ServerConfig` in src/main/config.ts. */
export function serverConfig(plan: ClusterPlan, inherited: { listenFd: number; netnsFd: number }) {
  const pki = (path: string) => join(plan.directories.pki, path);
  const serving = pairPaths('apiserver');
  const kubeletClient = pairPaths('apiserver-kubelet-client');
  const authority = pairPaths('ca');
  return {
    clusterName: plan.name,
    stateDir: plan.directories.store,
    volumesDir: join(plan.directories.state, 'volumes'),
    listen: [{ address: plan.lan.address, port: plan.lan.apiPort }, { fd: inherited.listenFd }],
    advertiseAddress: plan.lan.address,
    advertisePort: plan.lan.apiPort,
    serviceCidr: plan.serviceCidr,
    clusterCidr: plan.clusterCidr,
    nodeCidrPrefix: plan.nodeCidrPrefix,
    serviceCidrIpv6: plan.ipv6?.serviceCidr,
    clusterCidrIpv6: plan.ipv6?.clusterCidr,
    pki: {
      caFile: pki(authority.cert),
      caKeyFile: pki(authority.key),
      certFile: pki(serving.cert),
      keyFile: pki(serving.key),
      kubeletClientCertFile: pki(kubeletClient.cert),
      kubeletClientKeyFile: pki(kubeletClient.key),
      serviceAccountKeyFile: pki('sa.key'),
      serviceAccountPublicKeyFile: pki('sa.pub'),
    },
    dnsServiceIp: plan.dnsServiceIp,
    clusterDomain: plan.clusterDomain,
    loadBalancerPool: plan.loadBalancerPool,
    gateway: {
      netnsFd: inherited.netnsFd,
      networks: [
        { cluster: lanCidr(plan), loopback: plan.gateway.lan },
        { cluster: plan.serviceCidr, loopback: plan.gateway.services },
      ],
      nameServer: plan.gateway.nameServer,
      domain: plan.gateway.domain,
    },
  };
}

/** Configuration of the program for fake nodes: the fields of `FakeNodesConfig` in src/main/config.ts. */
export function fakeNodesConfig(plan: ClusterPlan) {
  const pki = (path: string) => join(plan.directories.pki, path);
  const client = pairPaths('admin');
  return {
    clusterName: plan.name,
    server: `https://${plan.lan.address}:${plan.lan.apiPort}`,
    caFile: pki(pairPaths('ca').cert),
    certFile: pki(client.cert),
    keyFile: pki(client.key),
    count: plan.fakeNodes.count,
  };
}

function lanCidr({ lan }: ClusterPlan): string {
  return `${lan.address}/${lan.prefix}`;
}

/** Configuration of a node's agent: the fields of `AgentConfig` in src/main/config.ts. */
export function agentConfig(plan: ClusterPlan, node: NodePlan) {
  const pki = (path: string) => join(plan.directories.pki, path);
  const client = pairPaths(nodeClientName(node.name));
  const serving = pairPaths(nodeServingName(node.name));
  const ingress = pairPaths('ingress');
  const ingressServing = pairPaths('ingress-default');
  return {
    clusterName: plan.name,
    nodeName: node.name,
    nodeIp: node.ip,
    server: `https://${plan.lan.address}:${plan.lan.apiPort}`,
    caFile: pki(pairPaths('ca').cert),
    certFile: pki(client.cert),
    keyFile: pki(client.key),
    servingCertFile: pki(serving.cert),
    servingKeyFile: pki(serving.key),
    containerdSocket: node.containerd.socket,
    stateDir: node.agent.stateDir,
    cniConfDir: node.cniConfDir,
    clusterDns: plan.dnsServiceIp,
    clusterDomain: plan.clusterDomain,
    clusterCidr: plan.clusterCidr,
    serviceCidr: plan.serviceCidr,
    nodePortAddresses: plan.nodePortAddresses,
    nodeIpv6: node.ipv6,
    serviceCidrIpv6: plan.ipv6?.serviceCidr,
    clusterCidrIpv6: plan.ipv6?.clusterCidr,
    cgroupParent: `/${node.cgroup}`,
    proxyMode: node.proxyMode,
    ingress: {
      directory: join(node.runDir, 'ingress'),
      certFile: pki(ingress.cert),
      keyFile: pki(ingress.key),
      servingCertFile: pki(ingressServing.cert),
      servingKeyFile: pki(ingressServing.key),
    },
    loadBalancer: { pool: plan.loadBalancerPool, link: 'eth0', broadcast: plan.lan.broadcast },
  };
}
