import { ApiError } from '../errors.ts';
import { apiVersion, type Conversion, type Resource, type ScalePaths } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { validateCustomResource } from './custom-value.ts';
import { hasDefaults, lacksDefaults, setSchemaDefaults } from './defaults.ts';
import {
  type CustomResourceDefinition,
  compareVersions,
  type DefinitionVersion,
  hasCondition,
  storageVersion,
} from './definition.ts';
import { fieldKeys } from './json-path.ts';
import { customColumns } from './printer-columns.ts';
import type { JsonSchema } from './schema.ts';

/** One row for each version that an accepted definition serves, best version first. */
export function rowsOf(definition: CustomResourceDefinition): Resource[] {
  const storage = storageVersion(definition);
  if (!storage || !hasCondition(definition, 'Established')) return [];
  const served = definition.spec.versions.filter((version) => version.served);
  return served.toSorted((a, b) => compareVersions(a.name, b.name)).map((version) => rowOf(definition, version));
}

/** A row for all objects that a definition has in the store, whatever version is served. */
export function storedRowOf(definition: CustomResourceDefinition): Resource {
  return rowOf(definition, storageVersion(definition)!).conversion!.stored;
}

function rowOf(definition: CustomResourceDefinition, version: DefinitionVersion): Resource {
  const { spec, status } = definition;
  const names = status?.acceptedNames?.plural ? status.acceptedNames : spec.names;
  const schema = version.schema?.openAPIV3Schema ?? { type: 'object' };
  const own = `${spec.group}/${version.name}`;
  const row: Resource = {
    group: spec.group,
    version: version.name,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: spec.scope === 'Namespaced',
    status: version.subresources?.status !== undefined,
    generation: true,
    fieldSelectors: fieldSelectors(version),
    columns: customColumns(version.additionalPrinterColumns),
    schema,
    ...(version.deprecated ? { deprecation: version.deprecationWarning ?? `${own} ${names.kind} is deprecated` } : {}),
    ...(version.subresources?.scale ? { scale: scalePaths(version) } : {}),
  };
  return { ...row, conversion: conversionOf(definition, { row, schema }) };
}

function fieldSelectors({ selectableFields = [] }: DefinitionVersion): Resource['fieldSelectors'] {
  const entries = selectableFields.map(({ jsonPath }): [string, (object: KubeObject) => string] => {
    const keys = fieldKeys(jsonPath) ?? [];
    return [keys.join('.'), (object) => String(keys.reduce(property, object as unknown) ?? '')];
  });
  return Object.fromEntries(entries);
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function scalePaths({ subresources }: DefinitionVersion): ScalePaths {
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = subresources!.scale!;
  return {
    specReplicas: fieldKeys(specReplicasPath)!,
    statusReplicas: fieldKeys(statusReplicasPath)!,
    selector: labelSelectorPath ? fieldKeys(labelSelectorPath) : undefined,
  };
}

/** Objects are kept in the storage version's name, under the rules of the version that they were written in. */
function conversionOf(
  definition: CustomResourceDefinition,
  { row, schema }: { row: Resource; schema: JsonSchema },
): Conversion {
  const [own, kept] = [apiVersion(row), `${row.group}/${storageVersion(definition)!.name}`];
  const defaults = hasDefaults(schema);
  const stored: Resource = {
    ...row,
    version: storageVersion(definition)!.name,
    setDefaults: (object) => setSchemaDefaults(object, schema),
    // What was wrong before may stay as it was.
    validate: (object, old) => validateCustomResource(object, schema, old),
    validateStatusUpdate: (object, old) => validateCustomResource(object, schema, old),
    prepareForCreate: definition.metadata.deletionTimestamp ? refuseCreate : (object) => dropStatus(object, row),
  };
  return {
    stored,
    toStored: (object) => renamed(object, kept),
    fromStored: (object) => (defaults ? withDefaults(renamed(object, own), schema) : renamed(object, own)),
  };
}

/** A status with a subresource of its own is not for those who create. */
function dropStatus(object: KubeObject & { status?: unknown }, { status }: Resource): void {
  if (status) delete object.status;
}

function refuseCreate(): never {
  const message = 'create not allowed while custom resource definition is terminating';
  throw new ApiError('MethodNotAllowed', message);
}

function renamed(object: KubeObject, version: string): KubeObject {
  return object.apiVersion === version ? object : { ...object, apiVersion: version };
}

/** Defaults may have come after the object was written. */
function withDefaults(object: KubeObject, schema: JsonSchema): KubeObject {
  if (!lacksDefaults(object, schema)) return object;
  const copy = structuredClone(object);
  setSchemaDefaults(copy, schema);
  return copy;
}
