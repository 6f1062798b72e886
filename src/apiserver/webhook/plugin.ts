import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../../api/errors.ts';
import { namespaces } from '../../api/kinds/namespace.ts';
import type { KubeObject } from '../../api/types.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Store } from '../../store/store.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import type { Catalog } from '../catalog.ts';
import { keyOf, objectOf } from '../objects.ts';
import type { CallWebhook } from './call.ts';
import { type Conditions, evaluateConditions } from './conditions.ts';
import { followWebhooks, type Webhook } from './configurations.ts';
import { resolveEndpoint } from './endpoint.ts';
import { matches, type Surroundings } from './match.ts';
import { denial, patched, type ReviewAnswer, readAnswer, reviewRequest } from './review.ts';

export interface WebhookOptions {
  store: Store;
  catalog: Catalog;
  clock: Clock;
  random: () => number;
  log: Logger;
  call: CallWebhook;
  conditions: Conditions;
}

/** The parts of a write that matching needs beyond the write itself. */
export function surroundings({ store, catalog }: Pick<WebhookOptions, 'store' | 'catalog'>) {
  return ({ resource, namespace }: AdmissionAttributes): Surroundings => {
    const item = namespace === '' ? undefined : store.get(keyOf(namespaces, { name: namespace }));
    const versions = catalog.rows.filter(({ group, plural }) => group === resource.group && plural === resource.plural);
    return {
      namespaceLabels: item && (objectOf(item).metadata.labels ?? {}),
      versions: versions.map(({ version }) => version),
    };
  };
}

/** Calls the webhooks of ValidatingWebhookConfigurations, all at once, after everything else has agreed. */
export function createValidatingWebhooks(options: WebhookOptions): AdmissionPlugin {
  const source = followWebhooks(options.store, 'validating');
  const around = surroundings(options);
  return {
    validate(attributes) {
      const concerned = concernedWebhooks(source.current(), attributes, around);
      return concerned.length === 0 ? undefined : validateAll(options, concerned, attributes);
    },
  };
}

async function validateAll(options: WebhookOptions, webhooks: readonly Webhook[], attributes: AdmissionAttributes) {
  const results = await Promise.allSettled(webhooks.map((webhook) => ask(options, webhook, attributes)));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** Calls the webhooks of MutatingWebhookConfigurations one after another, each with what the former made of the object. */
export function createMutatingWebhooks(options: WebhookOptions): AdmissionPlugin {
  const source = followWebhooks(options.store, 'mutating');
  const around = surroundings(options);
  return {
    mutate(attributes) {
      if (!attributes.object) return undefined;
      const webhooks = source.current();
      const concerned = concernedWebhooks(webhooks, attributes, around);
      return concerned.length === 0 ? undefined : mutateInTurn(options, webhooks, attributes, around);
    },
  };
}

type Around = ReturnType<typeof surroundings>;

/** Webhooks that want to see later changes (`reinvocationPolicy: IfNeeded`) are asked a second time, once. */
async function mutateInTurn(
  options: WebhookOptions,
  webhooks: readonly Webhook[],
  attributes: AdmissionAttributes,
  around: Around,
): Promise<KubeObject> {
  let object = attributes.object!;
  const again = new Map<Webhook, KubeObject>();
  for (const webhook of webhooks) {
    const before = { ...attributes, object };
    if (concernedWebhooks([webhook], before, around).length === 0) continue;
    object = await mutateBy(options, webhook, before);
    if (webhook.reinvocationPolicy === 'IfNeeded') again.set(webhook, object);
  }
  for (const [webhook, left] of again) {
    const before = { ...attributes, object };
    const unchanged = isDeepStrictEqual(left, object);
    if (unchanged || concernedWebhooks([webhook], before, around).length === 0) continue;
    object = await mutateBy(options, webhook, before);
  }
  return object;
}

async function mutateBy(options: WebhookOptions, webhook: Webhook, attributes: AdmissionAttributes) {
  const answer = await ask(options, webhook, attributes);
  const object = attributes.object!;
  try {
    return answer ? patched(object, answer) : object;
  } catch (error) {
    throw new ApiError('InternalError', `Internal error occurred: ${(error as Error).message}`);
  }
}

/** Configurations of webhooks are out of webhooks' reach, so that a broken one can be mended. */
function concernedWebhooks(
  webhooks: readonly Webhook[],
  attributes: AdmissionAttributes,
  around: Around,
): readonly Webhook[] {
  if (webhooks.length === 0) return webhooks;
  const { group, plural } = attributes.resource;
  if (group === 'admissionregistration.k8s.io' && plural.endsWith('webhookconfigurations')) return [];
  const surrounding = around(attributes);
  return webhooks.filter((webhook) => matches(webhook, attributes, surrounding));
}

/** The answer of a webhook that allows; undefined when it is not to be asked, or may fail. Throws its refusal. */
async function ask(
  options: WebhookOptions,
  webhook: Webhook,
  attributes: AdmissionAttributes,
): Promise<ReviewAnswer | undefined> {
  const { name } = webhook;
  let answer: ReviewAnswer;
  try {
    if (!evaluateConditions(options.conditions, webhook.matchConditions, attributes)) return undefined;
    refuseSideEffects(webhook, attributes);
    answer = await call(options, webhook, attributes);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const failure = `failed calling webhook ${JSON.stringify(name)}: ${(error as Error).message}`;
    if (webhook.failurePolicy === 'Ignore') {
      options.log.warn('webhook failed and was ignored', { webhook: name, error: (error as Error).message });
      return undefined;
    }
    throw new ApiError('InternalError', `Internal error occurred: ${failure}`, { causes: [{ message: failure }] });
  }
  for (const warning of answer.warnings ?? []) attributes.warn?.(warning);
  if (!answer.allowed) throw denial(name, answer);
  return answer;
}

function refuseSideEffects({ name, sideEffects }: Webhook, { dryRun }: AdmissionAttributes): void {
  if (!dryRun || sideEffects === 'None' || sideEffects === 'NoneOnDryRun') return;
  throw new ApiError('BadRequest', `admission webhook ${JSON.stringify(name)} does not support dry run`);
}

async function call(options: WebhookOptions, webhook: Webhook, attributes: AdmissionAttributes): Promise<ReviewAnswer> {
  const { clientConfig, timeoutMs } = webhook;
  const uid = randomUUID();
  const endpoint = resolveEndpoint(options, clientConfig);
  const ca = clientConfig.caBundle ? Buffer.from(clientConfig.caBundle, 'base64').toString() : undefined;
  const body = JSON.stringify(reviewRequest(attributes, uid));
  try {
    return readAnswer(await options.call({ endpoint, ca, body, timeoutMs }), uid);
  } catch (error) {
    const where = `${endpoint.url}${endpoint.url.includes('?') ? '&' : '?'}timeout=${timeoutMs / 1000}s`;
    throw new Error(`failed to call webhook: Post ${JSON.stringify(where)}: ${(error as Error).message}`);
  }
}
