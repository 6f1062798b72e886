import { type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { checkName, type NameRule } from '../names.ts';
import { type CustomResourceDefinition, type DefinitionVersion, hasCondition } from './definition.ts';
import { compileJsonPath, fieldKeys } from './json-path.ts';
import { validateStructural } from './structural.ts';

type Spec = CustomResourceDefinition['spec'];

/** The rules that a definition breaks. */
export function validateDefinition({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  if (!spec) return [requiredValue('spec')];
  const name = `${spec.names?.plural}.${spec.group}`;
  return [
    ...(metadata.name === name
      ? []
      : [invalidValue('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group')]),
    ...validateGroup(spec.group, metadata.annotations),
    ...validateScope(spec.scope),
    ...validateNames(spec),
    ...validateVersions(spec),
    ...validateConversion(spec),
  ];
}

const APPROVAL = 'api-approved.kubernetes.io';

function validateGroup(group: string, annotations: Readonly<Record<string, string>> = {}): FieldError[] {
  if (!group) return [requiredValue('spec.group')];
  const errors = checkName(group, 'dns1123-subdomain').map((text) => invalidValue('spec.group', group, text));
  if (!group.includes('.')) errors.push(invalidValue('spec.group', group, 'should be a domain with at least one dot'));
  if (/(^|\.)(k8s|kubernetes)\.io$/.test(group) && !annotations[APPROVAL]) {
    const detail = `protected groups must have approval annotation "${APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111`;
    errors.push(requiredValue(`metadata.annotations[${APPROVAL}]`, detail));
  }
  return errors;
}

function validateScope(scope: string | undefined): FieldError[] {
  if (!scope) return [requiredValue('spec.scope')];
  return ['Cluster', 'Namespaced'].includes(scope)
    ? []
    : [notSupported('spec.scope', scope, ['Cluster', 'Namespaced'])];
}

function validateNames({ names }: Spec): FieldError[] {
  if (!names) return [requiredValue('spec.names.plural'), requiredValue('spec.names.kind')];
  const label = (value: string | undefined, field: string): FieldError[] => {
    if (!value) return [requiredValue(field)];
    return checkName(value, 'dns1035-label' satisfies NameRule).map((text) => invalidValue(field, value, text));
  };
  const kind = (value: string | undefined, field: string): FieldError[] => {
    if (!value) return [requiredValue(field)];
    const texts = checkName(value.toLowerCase(), 'dns1035-label');
    return texts.map((text) => invalidValue(field, value, `may have mixed case, but should otherwise match: ${text}`));
  };
  const more = (['shortNames', 'categories'] as const).flatMap((field) =>
    (names[field] ?? []).flatMap((value, index) => label(value, `spec.names.${field}[${index}]`)),
  );
  const same = names.kind && names.kind === names.listKind;
  return [
    ...label(names.plural, 'spec.names.plural'),
    ...label(names.singular, 'spec.names.singular'),
    ...kind(names.kind, 'spec.names.kind'),
    ...kind(names.listKind, 'spec.names.listKind'),
    ...(same ? [invalidValue('spec.names.listKind', names.listKind, 'kind and listKind may not be the same')] : []),
    ...more,
  ];
}

function validateVersions({ versions = [], preserveUnknownFields }: Spec): FieldError[] {
  const errors = versions.flatMap(validateVersion);
  const names = versions.map(({ name }) => name);
  const storage = versions.filter((version) => version.storage);
  if (new Set(names).size < names.length)
    errors.push(invalidValue('spec.versions', names, 'must contain unique version names'));
  if (storage.length !== 1)
    errors.push(invalidValue('spec.versions', names, 'must have exactly one version marked as storage version'));
  if (preserveUnknownFields) {
    const detail =
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead';
    errors.push(invalidValue('spec.preserveUnknownFields', true, detail));
  }
  return errors;
}

function validateVersion(version: DefinitionVersion, index: number): FieldError[] {
  const path = `spec.versions[${index}]`;
  const schema = version.schema?.openAPIV3Schema;
  const { deprecationWarning: warning } = version;
  const errors = checkName(version.name ?? '', 'dns1035-label').map((text) =>
    invalidValue(`${path}.name`, version.name, text),
  );
  if (warning !== undefined && !version.deprecated) {
    const detail = 'can only be set for deprecated versions';
    errors.push(invalidValue(`${path}.deprecationWarning`, warning, detail));
  }
  return [
    ...errors,
    ...(schema
      ? validateStructural(schema, `${path}.schema.openAPIV3Schema`)
      : [requiredValue(`${path}.schema.openAPIV3Schema`, 'schemas are required')]),
    ...validateScale(version, `${path}.subresources.scale`),
    ...validateColumns(version, `${path}.additionalPrinterColumns`),
    ...(version.selectableFields ?? []).flatMap(({ jsonPath }, at) =>
      fieldKeys(jsonPath)
        ? []
        : [invalidValue(`${path}.selectableFields[${at}].jsonPath`, jsonPath, 'is an invalid path')],
    ),
  ];
}

function validateScale({ subresources }: DefinitionVersion, path: string): FieldError[] {
  const scale = subresources?.scale;
  if (!scale) return [];
  const rows = [
    ['specReplicasPath', ['.spec.'], true],
    ['statusReplicasPath', ['.status.'], true],
    ['labelSelectorPath', ['.spec.', '.status.'], false],
  ] as const;
  return rows.flatMap(([field, roots, required]) => {
    const value = scale[field];
    if (!value) return required ? [requiredValue(`${path}.${field}`)] : [];
    if (roots.some((root) => value.startsWith(root)) && fieldKeys(value)) return [];
    const detail = `should be a json path under ${roots.map((root) => root.replace(/\.$/, '')).join(' or ')}`;
    return [invalidValue(`${path}.${field}`, value, detail)];
  });
}

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];

function validateColumns({ additionalPrinterColumns: columns = [] }: DefinitionVersion, path: string): FieldError[] {
  return columns.flatMap(({ name, type, jsonPath }, index) => [
    ...(name ? [] : [requiredValue(`${path}[${index}].name`)]),
    ...(type
      ? COLUMN_TYPES.includes(type)
        ? []
        : [invalidValue(`${path}[${index}].type`, type, `must be one of ${COLUMN_TYPES.join(',')}`)]
      : [requiredValue(`${path}[${index}].type`, `must be one of ${COLUMN_TYPES.join(',')}`)]),
    ...validatePath(jsonPath, `${path}[${index}].jsonPath`),
  ]);
}

function validatePath(jsonPath: string | undefined, field: string): FieldError[] {
  if (!jsonPath) return [requiredValue(field)];
  return compileJsonPath(jsonPath) ? [] : [invalidValue(field, jsonPath, 'is an invalid JSONPath')];
}

/** Webhooks that convert are not called: a definition that needs one would be served in wrong forms. */
function validateConversion({ conversion, versions = [] }: Spec): FieldError[] {
  const { strategy } = conversion ?? { strategy: 'None' };
  if (strategy === 'None') return [];
  if (strategy === 'Webhook' && versions.filter(({ served }) => served).length <= 1) return [];
  return [notSupported('spec.conversion.strategy', strategy, ['None'])];
}

/** What of a definition may not change. */
export function validateDefinitionUpdate(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition,
): FieldError[] {
  const names = definition.spec.versions.map(({ name }) => name);
  const stored = (old.status?.storedVersions ?? []).flatMap((version, index) => {
    if (names.includes(version)) return [];
    const detail = `missing from spec.versions; ${version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${version} and removes ${version} from status.storedVersions`;
    return [invalidValue(`status.storedVersions[${index}]`, version, detail)];
  });
  const fixed: [string, unknown, unknown][] = [
    ['spec.group', definition.spec.group, old.spec.group],
    ['spec.names.plural', definition.spec.names.plural, old.spec.names.plural],
    ...(hasCondition(old, 'Established')
      ? ([
          ['spec.scope', definition.spec.scope, old.spec.scope],
          ['spec.names.kind', definition.spec.names.kind, old.spec.names.kind],
        ] as [string, unknown, unknown][])
      : []),
  ];
  const changed = fixed.filter(([, now, before]) => now !== before);
  return [...stored, ...changed.map(([field, now]) => invalidValue(field, now, 'field is immutable'))];
}

/** What the status of a definition may not say. */
export function validateDefinitionStatus(definition: CustomResourceDefinition): FieldError[] {
  const names = definition.spec.versions.map(({ name }) => name);
  const stored = definition.status?.storedVersions ?? [];
  if (stored.length === 0)
    return [invalidValue('status.storedVersions', stored, 'must have at least one stored version')];
  const storage = definition.spec.versions.find((version) => version.storage)?.name ?? '';
  const errors = stored.flatMap((version, index) =>
    names.includes(version)
      ? []
      : [invalidValue(`status.storedVersions[${index}]`, version, 'must appear in spec.versions')],
  );
  if (stored.includes(storage)) return errors;
  return [...errors, invalidValue('status.storedVersions', stored, `must have the storage version ${storage}`)];
}
