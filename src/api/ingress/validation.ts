import { parseIp } from '../../lib/ip.ts';
import { type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { checkName, checkPortName } from '../names.ts';
import type { Ingress } from '../types.ts';

type Spec = NonNullable<Ingress['spec']>;
type Rule = NonNullable<Spec['rules']>[number];
type Path = NonNullable<Rule['http']>['paths'][number];
type IngressBackend = Path['backend'];

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
const WILDCARD_SENTENCE =
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** `networking.k8s.io/v1` Ingress. */
export function validateIngress({ spec = {} }: Ingress): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.rules?.length && !spec.defaultBackend)
    errors.push(invalidValue('spec', spec.rules ?? [], 'either `defaultBackend` or `rules` must be specified'));
  if (spec.defaultBackend) errors.push(...validateBackend(spec.defaultBackend, 'spec.defaultBackend'));
  for (const [at, rule] of (spec.rules ?? []).entries()) errors.push(...validateRule(rule, `spec.rules[${at}]`));
  for (const [at, tls] of (spec.tls ?? []).entries()) {
    const hosts = (tls.hosts ?? []).entries();
    for (const [index, host] of hosts) errors.push(...validateHost(host, `spec.tls[${at}].hosts[${index}]`));
    if (tls.secretName) errors.push(...named(tls.secretName, `spec.tls[${at}].secretName`));
  }
  if (spec.ingressClassName !== undefined) errors.push(...named(spec.ingressClassName, 'spec.ingressClassName'));
  return errors;
}

/** The annotation and the field may only meet in what was there before. */
export function validateNewIngress(ingress: Ingress): FieldError[] {
  const annotation = ingress.metadata.annotations?.[CLASS_ANNOTATION];
  if (annotation === undefined || ingress.spec?.ingressClassName === undefined) return [];
  return [
    invalidValue(
      'annotations.kubernetes.io/ingress.class',
      annotation,
      'can not be set when the class field is also set',
    ),
  ];
}

/** Warning headers. */
export function warnIngress({ metadata }: Ingress): string[] {
  if (metadata.annotations?.[CLASS_ANNOTATION] === undefined) return [];
  return [`annotation "${CLASS_ANNOTATION}" is deprecated, please use 'spec.ingressClassName' instead`];
}

function named(name: string, field: string): FieldError[] {
  return checkName(name, 'dns1123-subdomain').map((sentence) => invalidValue(field, name, sentence));
}

function validateHost(host: string, field: string): FieldError[] {
  if (!host.includes('*')) return named(host, field);
  const rest = host.startsWith('*.') ? host.slice(2) : '';
  return checkName(rest, 'dns1123-subdomain').length > 0 ? [invalidValue(field, host, WILDCARD_SENTENCE)] : [];
}

function validateRule({ host, http }: Rule, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (host) {
    if (parseIp(host)) errors.push(invalidValue(`${field}.host`, host, 'must be a DNS name, not an IP address'));
    errors.push(...validateHost(host, `${field}.host`));
  }
  if (!http) return errors;
  if (!http.paths?.length) errors.push(requiredValue(`${field}.http.paths`));
  const paths = (http.paths ?? []).entries();
  for (const [at, path] of paths) errors.push(...validatePath(path, `${field}.http.paths[${at}]`));
  return errors;
}

const INVALID_SEQUENCES = ['//', '/./', '/../', '%2f', '%2F'];
const INVALID_ENDINGS = ['/..', '/.'];

function validatePath({ path = '', pathType, backend }: Path, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const at = `${field}.path`;
  if (!pathType) return [requiredValue(`${field}.pathType`, 'pathType must be specified')];
  if (!PATH_TYPES.includes(pathType)) errors.push(notSupported(`${field}.pathType`, pathType, PATH_TYPES));
  const strict = pathType === 'Exact' || pathType === 'Prefix';
  if ((strict || path !== '') && !path.startsWith('/')) errors.push(invalidValue(at, path, 'must be an absolute path'));
  if (strict && path !== '') {
    const inside = INVALID_SEQUENCES.filter((part) => path.includes(part));
    const ending = INVALID_ENDINGS.filter((part) => path.endsWith(part));
    errors.push(...inside.map((part) => invalidValue(at, path, `must not contain '${part}'`)));
    errors.push(...ending.map((part) => invalidValue(at, path, `cannot end with '${part}'`)));
  }
  return [...errors, ...validateBackend(backend, `${field}.backend`)];
}

function validateBackend(backend: IngressBackend | undefined, field: string): FieldError[] {
  const { service, resource } = backend ?? {};
  if (service && resource) return [invalidValue(field, '', 'cannot set both resource and service backends')];
  if (resource) {
    const missing = (['kind', 'name'] as const).filter((key) => !resource[key]);
    return missing.map((key) => requiredValue(`${field}.resource.${key}`));
  }
  if (!service) return [invalidValue(field, '', 'resource or service backend is required')];
  return [...validateServiceName(service.name, `${field}.service.name`), ...validatePort(service.port ?? {}, field)];
}

function validateServiceName(name: string | undefined, field: string): FieldError[] {
  if (!name) return [requiredValue(field)];
  return checkName(name, 'dns1035-label').map((sentence) => invalidValue(field, name, sentence));
}

function validatePort({ name, number }: { name?: string; number?: number }, field: string): FieldError[] {
  const at = `${field}.service.port`;
  if (name && number) return [invalidValue(field, '', 'cannot set both port name & port number')];
  if (name) return checkPortName(name).map((sentence) => invalidValue(`${at}.name`, name, sentence));
  if (!number) return [requiredValue(field, 'port name or number is required')];
  if (number >= 1 && number <= 65_535) return [];
  return [invalidValue(`${at}.number`, number, 'must be between 1 and 65535, inclusive')];
}
