import type { JsonSchema } from '../../api/crd/schema.ts';
import type { Resource } from '../../api/resource.ts';
import { typeNameOf } from '../../api/schema.ts';
import type { Version } from './paths.ts';
import { componentName, type Schema } from './schemas.ts';

/** `com.example.stable.v1.CronTab`: groups of custom resources are written backwards. */
export function componentOf(resource: Pick<Resource, 'group' | 'version' | 'kind' | 'schema'>): string {
  if (!resource.schema) return componentName(typeNameOf(resource));
  return [...resource.group.split('.').toReversed(), resource.version, resource.kind].join('.');
}

const TYPE_META = {
  apiVersion: {
    type: 'string',
    description:
      'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
  },
  kind: {
    type: 'string',
    description:
      'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
  },
};

/** The schema of a custom resource as the description of the API has it. */
export function customSchema(resource: Resource, options: { version: Version; refPrefix: string }): Schema {
  const schema = options.version === 2 ? withoutV3(resource.schema!) : (resource.schema as Schema);
  const metadata = {
    description:
      "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
    ...reference(`${options.refPrefix}${componentName('meta/v1.ObjectMeta')}`, options.version),
  };
  const { group, version, kind } = resource;
  const open = options.version === 2 && resource.schema!['x-kubernetes-preserve-unknown-fields'];
  return {
    ...schema,
    type: 'object',
    ...(open ? {} : { properties: { ...TYPE_META, ...(schema['properties'] as object | undefined), metadata } }),
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  };
}

function reference($ref: string, version: Version): Schema {
  return version === 2 ? { $ref } : { allOf: [{ $ref }], default: {} };
}

const V3_ONLY = new Set(['nullable', 'oneOf', 'anyOf', 'allOf', 'not', 'default']);

/** Version 2 knows no alternatives: clients that check with it must not refuse more than the server does. */
function withoutV3(schema: JsonSchema): Schema {
  const { description } = schema;
  const text = description ? { description } : {};
  if (schema['x-kubernetes-preserve-unknown-fields']) return { ...text, 'x-kubernetes-preserve-unknown-fields': true };
  if (schema['x-kubernetes-int-or-string']) return { ...text, 'x-kubernetes-int-or-string': true };
  const entries = Object.entries(schema).filter(([key]) => !V3_ONLY.has(key));
  return Object.fromEntries(
    entries.map(([key, value]) => {
      if (key === 'properties') return [key, mapped(value as Readonly<Record<string, JsonSchema>>)];
      const inner = key === 'items' || (key === 'additionalProperties' && typeof value === 'object');
      return [key, inner ? withoutV3(value as JsonSchema) : value];
    }),
  );
}

function mapped(properties: Readonly<Record<string, JsonSchema>>): Schema {
  return Object.fromEntries(Object.entries(properties).map(([key, schema]) => [key, withoutV3(schema)]));
}
