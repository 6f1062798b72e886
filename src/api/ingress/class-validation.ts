import { type FieldError, forbidden, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { checkName } from '../names.ts';
import type { IngressClass } from '../types.ts';

const CONTROLLER_MAX = 250;

/** `networking.k8s.io/v1` IngressClass. */
export function validateIngressClass({ spec = {} }: IngressClass): FieldError[] {
  const errors: FieldError[] = [];
  const { controller = '', parameters } = spec;
  if (controller.length > CONTROLLER_MAX)
    errors.push({
      type: 'FieldValueTooLong',
      field: 'spec.controller',
      message: `Too long: may not be more than ${CONTROLLER_MAX} bytes`,
    });
  const [domain = '', ...path] = controller.split('/');
  const named = checkName(domain, 'dns1123-subdomain').length === 0 && path.join('/') !== '';
  if (controller === '') errors.push(requiredValue('spec.controller'));
  else if (!named)
    errors.push(invalidValue('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")'));
  return parameters ? [...errors, ...validateParameters(parameters)] : errors;
}

/** What a class is of cannot change. */
export function validateIngressClassUpdate(ingressClass: IngressClass, old: IngressClass): FieldError[] {
  const controller = ingressClass.spec?.controller;
  return controller === old.spec?.controller ? [] : [invalidValue('spec.controller', controller, 'field is immutable')];
}

type Parameters = NonNullable<NonNullable<IngressClass['spec']>['parameters']>;

function validateParameters({ kind, name, namespace, scope }: Parameters): FieldError[] {
  const at = 'spec.parameters';
  const errors: FieldError[] = [];
  if (!kind) errors.push(requiredValue(`${at}.kind`, 'kind is required'));
  if (!name) errors.push(requiredValue(`${at}.name`, 'name is required'));
  if (scope !== 'Cluster' && scope !== 'Namespace')
    return [...errors, notSupported(`${at}.scope`, scope, ['Cluster', 'Namespace'])];
  if (scope === 'Namespace') {
    if (!namespace) errors.push(requiredValue(`${at}.namespace`, "`parameters.scope` is set to 'Namespace'"));
    else
      errors.push(
        ...checkName(namespace, 'dns1123-label').map((sentence) =>
          invalidValue(`${at}.namespace`, namespace, sentence),
        ),
      );
  } else if (namespace !== undefined)
    errors.push(forbidden(`${at}.namespace`, "`parameters.scope` is set to 'Cluster'"));
  return errors;
}
