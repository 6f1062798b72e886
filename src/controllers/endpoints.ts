import { endpoints } from '../api/kinds/endpoints.ts';
import { pods } from '../api/kinds/pod.ts';
import { services } from '../api/kinds/service.ts';
import type { Endpoints } from '../api/types.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import { backendsOf } from './backends.ts';
import { ignoreExists, ignoreNotFound, sameContent } from './common.ts';
import { planEndpoints } from './endpoints/plan.ts';
import type { ControllersOptions } from './options.ts';
import { selectionOf } from './selection.ts';

export const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';

/** Keeps the Endpoints of every Service with a selector, for clients of the older API. */
export function startEndpoints(options: ControllersOptions): void {
  const { informers } = options;
  const selection = selectionOf(informers);
  const controller = startController({ ...options, name: 'endpoints', reconcile: (key) => reconcile(options, key) });
  informers.of(services).subscribe(({ object }) => controller.enqueue(objectKey(object)));
  informers.of(endpoints).subscribe(({ object }) => controller.enqueue(objectKey(object)));
  informers.of(pods).subscribe((change) => {
    const versions = change.type === 'updated' ? [change.old, change.object] : [change.object];
    for (const { metadata } of versions) {
      const found = selection.servicesOf(metadata.namespace ?? '', metadata.labels ?? {});
      for (const service of found) controller.enqueue(objectKey(service));
    }
  });
}

const HEADLESS = 'service.kubernetes.io/headless';
const MANAGED = 'endpoints.kubernetes.io/managed-by';
const MANAGER = 'endpoint-controller';

async function reconcile({ client, informers }: ControllersOptions, key: string): Promise<void> {
  const { name, namespace } = splitKey(key);
  await Promise.all([services, pods, endpoints].map((kind) => informers.of(kind as typeof services).whenSynced()));
  const service = informers.of(services).get(name, namespace);
  const present = informers.of(endpoints).get(name, namespace);
  if (!service) {
    if (present?.metadata.labels?.[MANAGED] === MANAGER)
      await client.delete(endpoints, { name, namespace }).catch(ignoreNotFound);
    return;
  }
  if (!service.spec?.selector || service.spec.type === 'ExternalName') return;
  const wanted = planEndpoints(service, backendsOf(service, selectionOf(informers).podsOf(service)));
  const headless: Record<string, string> = service.spec.clusterIP === 'None' ? { [HEADLESS]: '' } : {};
  const labels: Record<string, string> = { ...service.metadata.labels, ...headless, [MANAGED]: MANAGER };
  const annotations = { ...present?.metadata.annotations };
  delete annotations[OVER_CAPACITY];
  if (wanted.truncated) annotations[OVER_CAPACITY] = 'truncated';
  const metadata = { ...present?.metadata, name, namespace, labels, annotations };
  const { subsets } = wanted;
  if (!present) {
    await client.create(endpoints, { metadata, subsets }).catch(ignoreExists);
    return;
  }
  const content = ({ subsets: all, metadata: { labels: names, annotations: notes } }: Content) => [
    all ?? [],
    names ?? {},
    notes ?? {},
  ];
  if (sameContent(content(present), content({ metadata, subsets }))) return;
  await client.update(endpoints, { ...present, metadata, subsets });
}

type Content = Pick<Endpoints, 'subsets'> & { metadata: Partial<Endpoints['metadata']> };
