import { secrets } from '../api/kinds/secret.ts';
import { serviceAccounts } from '../api/kinds/serviceaccount.ts';
import { objectKey, splitKey } from '../client/informer.ts';
import { startController } from '../client/reconcile.ts';
import { ignoreGone, ignoreNotFound } from './common.ts';
import type { ControllersOptions } from './options.ts';

const FILTER = { fieldSelector: 'type=kubernetes.io/service-account-token' };
const ACCOUNT = 'kubernetes.io/service-account.name';
const UID = 'kubernetes.io/service-account.uid';

/** Takes away the token Secrets of ServiceAccounts that are gone. */
export function startTokenSecrets(options: ControllersOptions): void {
  const { informers } = options;
  const tokens = informers.of(secrets, FILTER);
  const controller = startController({
    ...options,
    name: 'tokensecrets',
    reconcile: (key) => reconcile(options, key),
  });
  tokens.subscribe(({ type, object }) => {
    if (type !== 'deleted') controller.enqueue(objectKey(object));
  });
  informers.of(serviceAccounts).subscribe(({ type, object }) => {
    if (type !== 'deleted') return;
    for (const secret of tokens.list(object.metadata.namespace)) controller.enqueue(objectKey(secret));
  });
}

/** The account is looked up anew: the Secret's cache may be ahead of the accounts'. */
async function reconcile({ client, informers }: ControllersOptions, key: string): Promise<void> {
  const at = splitKey(key);
  const secret = informers.of(secrets, FILTER).get(at.name, at.namespace);
  const name = secret?.metadata.annotations?.[ACCOUNT];
  if (!secret || !name) return;
  const account = await client.get(serviceAccounts, { name, namespace: at.namespace! }).catch(ignoreNotFound);
  if (account && account.metadata.uid === secret.metadata.annotations?.[UID]) return;
  const preconditions = { uid: secret.metadata.uid };
  await client.delete(secrets, at, { preconditions }).catch(ignoreGone);
}
