import { pods } from '../api/kinds/pod.ts';
import type { KubeObject } from '../api/types.ts';
import { validateByPlugins } from './admit.ts';
import type { VerbContext } from './context.ts';
import type { ApiRequest } from './request.ts';
import type { Target } from './route.ts';

/** Kinds of the options that a connection to a pod is asked for with. */
const OPTIONS: Readonly<Record<string, string>> = {
  attach: 'PodAttachOptions',
  exec: 'PodExecOptions',
  portforward: 'PodPortForwardOptions',
  proxy: 'PodProxyOptions',
};

/** Asks the admission plugins about a connection (operation CONNECT); rejects with their refusal. */
export async function admitConnection(
  context: Pick<VerbContext, 'plugins'>,
  target: Target | undefined,
  { user, query }: Pick<ApiRequest, 'user' | 'query'>,
): Promise<void> {
  const { resource, subresource } = target ?? {};
  const kind = OPTIONS[subresource ?? ''];
  if (!target || !kind || resource?.group !== '' || resource.plural !== pods.plural) return;
  const object = { kind, apiVersion: 'v1', metadata: {}, ...optionsOf(query) } as unknown as KubeObject;
  await validateByPlugins(context, { operation: 'CONNECT', target, object }, { dryRun: false, user });
}

const LISTS = ['command', 'ports'];
const FLAGS = ['stdin', 'stdout', 'stderr', 'tty'];

function optionsOf(query: URLSearchParams): object {
  const names = [...new Set(query.keys())];
  return Object.fromEntries(
    names.map((name) => {
      if (LISTS.includes(name)) return [name, query.getAll(name)];
      return [name, FLAGS.includes(name) ? ['true', '1'].includes(query.get(name) ?? '') : query.get(name)];
    }),
  );
}
