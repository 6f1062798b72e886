import { isAlreadyExists } from '../api/errors.ts';
import { endpoints } from '../api/kinds/endpoints.ts';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { ingressClasses } from '../api/kinds/ingressclass.ts';
import { namespaces } from '../api/kinds/namespace.ts';
import { services } from '../api/kinds/service.ts';
import type { Service } from '../api/types.ts';
import { startController } from '../client/reconcile.ts';
import type { ControllersOptions } from './options.ts';

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Makes what every cluster has from its first second: namespaces, the Services of the API server and of DNS, and a class of Ingresses. */
export async function bootstrap(options: ControllersOptions): Promise<void> {
  for (const name of NAMESPACES) await options.client.create(namespaces, { metadata: { name } }).catch(ignoreExists);
  await Promise.all([
    options.client.create(services, kubernetesService(options)).catch(ignoreExists),
    options.client.create(services, dnsService(options)).catch(ignoreExists),
    options.client.create(ingressClasses, defaultIngressClass()).catch(ignoreExists),
  ]);
  await publishApiServer(options);
}

/** Makes the Service of the API server anew when somebody deletes it: clients in pods find the server by it. */
export function startKubernetesService(options: ControllersOptions): void {
  const { informers, client } = options;
  const controller = startController({
    ...options,
    name: 'kubernetesservice',
    reconcile: async () => {
      await client.create(services, kubernetesService(options)).catch(ignoreExists);
      await publishApiServer(options);
    },
  });
  for (const resource of [services, endpoints, endpointSlices]) {
    informers.of(resource as typeof services).subscribe(({ type, object }) => {
      const { name, namespace } = object.metadata;
      if (type === 'deleted' && name === 'kubernetes' && namespace === 'default') controller.enqueue(name);
    });
  }
}

/** What serves Ingresses that name no class. */
function defaultIngressClass() {
  const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
  return { metadata: { name: 'sampan', annotations }, spec: { controller: 'sampan.dev/ingress' } };
}

type NewService = Omit<Service, 'apiVersion' | 'kind'>;

function kubernetesService({ kubernetesIp, apiServer }: ControllersOptions): NewService {
  const labels = { component: 'apiserver', provider: 'kubernetes' };
  const ports = [{ name: 'https', protocol: 'TCP' as const, port: 443, targetPort: apiServer.port }];
  return { metadata: { name: 'kubernetes', namespace: 'default', labels }, spec: { clusterIP: kubernetesIp, ports } };
}

/** Each node answers its own pods: no selector, and only endpoints of the same node are used. */
function dnsService({ dnsServiceIp }: ControllersOptions): NewService {
  const labels = { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' };
  const ports = [
    { name: 'dns', protocol: 'UDP' as const, port: 53, targetPort: 53 },
    { name: 'dns-tcp', protocol: 'TCP' as const, port: 53, targetPort: 53 },
  ];
  return {
    metadata: { name: 'kube-dns', namespace: 'kube-system', labels },
    spec: { clusterIP: dnsServiceIp, ports, internalTrafficPolicy: 'Local' },
  };
}

/** Where `default/kubernetes` leads. Written anew at each start: the address may have changed. */
async function publishApiServer({ client, apiServer }: ControllersOptions): Promise<void> {
  const metadata = { name: 'kubernetes', namespace: 'default' };
  const port = { name: 'https', port: apiServer.port, protocol: 'TCP' as const };
  const slice = {
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4' as const,
    endpoints: [{ addresses: [apiServer.address], conditions: { ready: true } }],
    ports: [port],
  };
  const subsets = [{ addresses: [{ ip: apiServer.address }], ports: [port] }];
  const skipMirror = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  await Promise.all([
    client.create(endpointSlices, slice).catch(async (error: unknown) => {
      ignoreExists(error);
      await client.patch(endpointSlices, metadata, {
        type: 'merge',
        body: { endpoints: slice.endpoints, ports: [port] },
      });
    }),
    client
      .create(endpoints, { metadata: { ...metadata, labels: skipMirror }, subsets })
      .catch(async (error: unknown) => {
        ignoreExists(error);
        await client.patch(endpoints, metadata, { type: 'merge', body: { subsets } });
      }),
  ]);
}

function ignoreExists(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}
