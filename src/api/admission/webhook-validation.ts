import { duplicateValue, type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { checkName } from '../names.ts';
import { validateRules } from './rules.ts';

interface Webhook {
  readonly name?: string;
  readonly admissionReviewVersions?: readonly string[];
  readonly sideEffects?: string;
  readonly failurePolicy?: string;
  readonly matchPolicy?: string;
  readonly reinvocationPolicy?: string;
  readonly timeoutSeconds?: number;
  readonly clientConfig?: { readonly url?: string; readonly service?: object; readonly caBundle?: string };
  readonly rules?: Parameters<typeof validateRules>[0];
  readonly matchConditions?: readonly { readonly name: string; readonly expression: string }[];
}

/** Rules of Mutating- and ValidatingWebhookConfiguration. */
export function validateWebhooks({ webhooks = [] }: { readonly webhooks?: readonly unknown[] }): FieldError[] {
  const all = webhooks as readonly Webhook[];
  return all.flatMap((webhook, index) => {
    const path = `webhooks[${index}]`;
    const twice = all.findIndex(({ name }) => name === webhook.name) < index;
    return [...validateWebhook(webhook, path), ...(twice ? [duplicateValue(`${path}.name`, webhook.name)] : [])];
  });
}

function validateWebhook(webhook: Webhook, path: string): FieldError[] {
  return [
    ...validateName(webhook.name ?? '', `${path}.name`),
    ...validateVersions(webhook.admissionReviewVersions ?? [], `${path}.admissionReviewVersions`),
    ...validateRules(webhook.rules, `${path}.rules`),
    ...oneOf(webhook.failurePolicy, `${path}.failurePolicy`, ['Fail', 'Ignore']),
    ...oneOf(webhook.matchPolicy, `${path}.matchPolicy`, ['Equivalent', 'Exact']),
    ...oneOf(webhook.reinvocationPolicy, `${path}.reinvocationPolicy`, ['IfNeeded', 'Never']),
    ...validateSideEffects(webhook.sideEffects, `${path}.sideEffects`),
    ...validateTimeout(webhook.timeoutSeconds, `${path}.timeoutSeconds`),
    ...validateClient(webhook.clientConfig ?? {}, `${path}.clientConfig`),
  ];
}

function validateName(name: string, path: string): FieldError[] {
  if (name === '') return [requiredValue(path)];
  const errors = checkName(name, 'dns1123-subdomain').map((text) => invalidValue(path, name, text));
  if (errors.length > 0 || name.split('.').length >= 3) return errors;
  return [invalidValue(path, name, 'should be a domain with at least three segments separated by dots')];
}

const VERSIONS = ['v1', 'v1beta1'];

function validateVersions(versions: readonly string[], path: string): FieldError[] {
  if (versions.length === 0) return [requiredValue(path, `must specify one of ${VERSIONS.join(', ')}`)];
  if (versions.includes('v1')) return [];
  return [invalidValue(path, versions, 'must include at least one of v1')];
}

function validateSideEffects(value: string | undefined, path: string): FieldError[] {
  const allowed = ['None', 'NoneOnDryRun'];
  if (value === undefined) return [requiredValue(path, `must specify one of ${allowed.join(', ')}`)];
  return oneOf(value, path, allowed);
}

function validateTimeout(seconds: number | undefined, path: string): FieldError[] {
  if (seconds === undefined || (seconds >= 1 && seconds <= 30)) return [];
  return [invalidValue(path, seconds, 'the timeout value must be between 1 and 30 seconds')];
}

function validateClient({ url, service, caBundle }: NonNullable<Webhook['clientConfig']>, path: string): FieldError[] {
  if ((url === undefined) === (service === undefined)) {
    return [requiredValue(path, 'exactly one of url or service is required')];
  }
  const errors = url === undefined ? [] : validateUrl(url, `${path}.url`);
  if (caBundle && !Buffer.from(caBundle, 'base64').includes('-----BEGIN CERTIFICATE-----')) {
    const detail = 'unable to load root certificates: unable to parse bytes as PEM block';
    errors.push(invalidValue(`${path}.caBundle`, '<base64>', detail));
  }
  return errors;
}

function validateUrl(url: string, path: string): FieldError[] {
  const form = 'desired format: https://host[/path]';
  if (!URL.canParse(url)) return [invalidValue(path, url, `url must be a valid URL; ${form}`)];
  const { protocol, username, hash, search } = new URL(url);
  const broken = [
    protocol === 'https:' ? '' : `'https' is the only allowed URL scheme; ${form}`,
    username === '' ? '' : `user information is not permitted in the URL; ${form}`,
    hash === '' ? '' : `fragments are not permitted in the URL; ${form}`,
    search === '' ? '' : `query parameters are not permitted in the URL; ${form}`,
  ];
  return broken.filter(Boolean).map((detail) => invalidValue(path, url, detail));
}

function oneOf(value: string | undefined, path: string, allowed: readonly string[]): FieldError[] {
  return value === undefined || allowed.includes(value) ? [] : [notSupported(path, value, allowed)];
}
