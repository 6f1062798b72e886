import { validateWebhooks } from '../admission/webhook-validation.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { clusterKind, type Resource } from '../resource.ts';
import type { ValidatingWebhookConfiguration } from '../types.ts';

export const validatingWebhookConfigurations: Resource<ValidatingWebhookConfiguration> = {
  ...clusterKind,
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  singular: 'validatingwebhookconfiguration',
  categories: ['api-extensions'],
  generation: true,
  columns: [nameColumn, column('Webhooks', ({ webhooks }) => webhooks?.length ?? 0, 'integer'), ageColumn],
  setDefaults({ webhooks }) {
    for (const webhook of webhooks ?? []) {
      webhook.failurePolicy ??= 'Fail';
      webhook.matchPolicy ??= 'Equivalent';
      webhook.namespaceSelector ??= {};
      webhook.objectSelector ??= {};
      webhook.timeoutSeconds ??= 10;
      if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443;
      for (const rule of webhook.rules ?? []) rule.scope ??= '*';
    }
  },
  validate: validateWebhooks,
};
