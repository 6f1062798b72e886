import { mutatingWebhookConfigurations } from '../../api/kinds/mutatingwebhookconfiguration.ts';
import { validatingWebhookConfigurations } from '../../api/kinds/validatingwebhookconfiguration.ts';
import type { LabelSelectorObject } from '../../api/selectors.ts';
import type { KubeObject } from '../../api/types.ts';
import type { Store } from '../../store/store.ts';
import { keyPrefix, objectOf } from '../objects.ts';
import type { MatchResources, OperationRule } from './match.ts';

/** `admissionregistration.k8s.io/v1 WebhookClientConfig`. */
export interface ClientConfig {
  readonly url?: string;
  readonly service?: {
    readonly namespace: string;
    readonly name: string;
    readonly path?: string;
    readonly port?: number;
  };
  /** Base64 of PEM. */
  readonly caBundle?: string;
}

export interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

/** One webhook of a configuration, as the server uses it. */
export interface Webhook extends MatchResources {
  readonly name: string;
  readonly clientConfig: ClientConfig;
  readonly failurePolicy: 'Fail' | 'Ignore';
  readonly timeoutMs: number;
  readonly sideEffects: string;
  readonly reinvocationPolicy: 'Never' | 'IfNeeded';
  readonly matchConditions: readonly MatchCondition[];
}

interface WebhookObject {
  name: string;
  clientConfig: ClientConfig;
  rules?: OperationRule[];
  matchPolicy?: string;
  namespaceSelector?: LabelSelectorObject;
  objectSelector?: LabelSelectorObject;
  failurePolicy?: Webhook['failurePolicy'];
  timeoutSeconds?: number;
  sideEffects?: string;
  reinvocationPolicy?: Webhook['reinvocationPolicy'];
  matchConditions?: MatchCondition[];
}

/** The webhooks of a kind of configuration, in order: by the configuration's name, then as they stand in it. */
export interface WebhookSource {
  current(): readonly Webhook[];
}

export function followWebhooks(store: Store, kind: 'mutating' | 'validating'): WebhookSource {
  const prefix = keyPrefix(kind === 'mutating' ? mutatingWebhookConfigurations : validatingWebhookConfigurations);
  const read = () => store.list(prefix).items.flatMap((item) => webhooksOf(objectOf(item)));
  let current = read();
  store.watch(prefix, 0, () => {
    current = read();
  });
  return { current: () => current };
}

function webhooksOf(configuration: KubeObject): Webhook[] {
  const { webhooks = [] } = configuration as KubeObject & { webhooks?: WebhookObject[] };
  return webhooks.map((webhook) => ({
    name: webhook.name,
    clientConfig: webhook.clientConfig,
    rules: webhook.rules ?? [],
    matchPolicy: webhook.matchPolicy ?? 'Equivalent',
    ...(webhook.namespaceSelector ? { namespaceSelector: webhook.namespaceSelector } : {}),
    ...(webhook.objectSelector ? { objectSelector: webhook.objectSelector } : {}),
    failurePolicy: webhook.failurePolicy ?? 'Fail',
    timeoutMs: (webhook.timeoutSeconds ?? 10) * 1000,
    sideEffects: webhook.sideEffects ?? 'Unknown',
    reinvocationPolicy: webhook.reinvocationPolicy ?? 'Never',
    matchConditions: webhook.matchConditions ?? [],
  }));
}
