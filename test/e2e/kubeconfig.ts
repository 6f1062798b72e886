import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { plan } from './cluster.ts';

/** The administrator's kubeconfig with another user, for a process in the network of the nodes. */
export function kubeconfigWith(token: string): string {
  return kubeconfigAt(`https://${plan.lan.address}:${plan.lan.apiPort}`, token);
}

/** The same for a process in the machine's own network. */
export function hostKubeconfigWith(token: string): string {
  return kubeconfigAt(`https://127.0.0.1:${plan.port}`, token);
}

function kubeconfigAt(server: string, token: string): string {
  const config = parse(readFileSync(plan.kubeconfig, 'utf8')) as {
    users: { user: object }[];
    clusters: { cluster: { server: string } }[];
  };
  for (const entry of config.users) entry.user = { token };
  for (const { cluster } of config.clusters) cluster.server = server;
  return stringify(config);
}
