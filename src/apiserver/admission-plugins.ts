import type { AdmissionPlugin } from './admission.ts';
import { Scope } from './policy/expressions.ts';
import { createPolicies } from './policy/plugin.ts';
import { createWebhookCaller } from './webhook/call.ts';
import { createMutatingWebhooks, createValidatingWebhooks, type WebhookOptions } from './webhook/plugin.ts';

/** What people configure, in the order in which it acts: mutating webhooks, policies, validating webhooks. */
export function createAdmissionPlugins(base: Omit<WebhookOptions, 'call' | 'conditions'>): AdmissionPlugin[] {
  const options: WebhookOptions = {
    ...base,
    call: createWebhookCaller(base),
    conditions: (expression, attributes) => new Scope(attributes).evaluate(expression),
  };
  return [createMutatingWebhooks(options), createPolicies(base), createValidatingWebhooks(options)];
}
