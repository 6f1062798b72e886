import { stringify } from 'yaml';

export interface KubeconfigOptions {
  /** Names the cluster, the user and the context. */
  name: string;
  /** `https://127.0.0.1:6443` */
  server: string;
  caPem: string;
  user: KubeconfigUser;
  /** Default namespace of the context. */
  namespace?: string;
}

/** How the user proves who it is: a client certificate (PEM) or a bearer token. */
export type KubeconfigUser = { certPem: string; keyPem: string } | { token: string };

/** A `Config` (client-go, clientcmd v1) as YAML, with all credentials inside. */
export function renderKubeconfig(options: KubeconfigOptions): string {
  const { name, server, namespace } = options;
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(options.caPem) } }],
    users: [{ name, user: credentials(options.user) }],
    contexts: [{ name, context: { cluster: name, user: name, ...(namespace ? { namespace } : {}) } }],
    'current-context': name,
  };
  return stringify(config, { lineWidth: 0 });
}

function credentials(user: KubeconfigUser): Record<string, string> {
  if ('token' in user) return { token: user.token };
  return { 'client-certificate-data': base64(user.certPem), 'client-key-data': base64(user.keyPem) };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
