import type { JsonSchema } from './crd/schema.ts';
import type { FieldError } from './field-error.ts';
import type { KubeObject, Service } from './types.ts';

/** One column of a `meta.k8s.io/v1` Table. */
export interface Column<T> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** 0: shown always; higher: shown by `-o wide`. */
  readonly priority: number;
  readonly description: string;
  readonly format?: string;
  /** The cell of `object` at `now` (ms since the epoch); null: empty. */
  readonly cell: (object: T, now: number) => string | number | boolean | null;
}

/** Where `scale` finds its parts (as `subresources.scale` of a CustomResourceDefinition). */
export interface ScalePaths {
  readonly specReplicas: readonly string[];
  readonly statusReplicas: readonly string[];
  /** To a selector object, or to a selector as text; undefined: there is none. */
  readonly selector: readonly string[] | undefined;
}

/** How a version of a kind that is kept in another form is read and written. Neither function changes its argument. */
export interface Conversion {
  /** The row whose keys, rules and form are those of the store. */
  readonly stored: Resource;
  readonly toStored: (object: KubeObject) => KubeObject;
  readonly fromStored: (object: KubeObject) => KubeObject;
}

/**
 * A kind as data: everything that differs between kinds. Verbs, watches, tables, discovery and OpenAPI are written once
 * over these rows; a new kind is one file in `kinds/` and one line in `registry.ts`.
 */
export interface Resource<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Has a `status` subresource: the main endpoint ignores status, `/status` ignores all else. */
  readonly status: boolean;
  readonly scale?: ScalePaths;
  /** Has `spec` whose changes raise `metadata.generation`. */
  readonly generation: boolean;
  /** Field selectors beyond `metadata.name` and `metadata.namespace`: dotted path → its value as text. */
  readonly fieldSelectors: Readonly<Record<string, (object: T) => string>>;
  readonly columns: readonly Column<T>[];
  /** Changes `object` in place to what the API would have defaulted (versioned defaulting). */
  readonly setDefaults?: (object: T) => void;
  /** Rules for an object, `old` being what it was before a change; `metadata` is checked by the verbs themselves. */
  readonly validate?: (object: T, old?: T) => FieldError[];
  /** Rules for a change, beyond `validate` of the new object. */
  readonly validateUpdate?: (object: T, old: T) => FieldError[];
  /** Rules for a change of the status; none when left out. */
  readonly validateStatusUpdate?: (object: T, old: T) => FieldError[];
  /** Server-set fields on create and update (registry strategies): runs before defaults' validation. */
  readonly prepareForCreate?: (object: T) => void;
  readonly prepareForUpdate?: (object: T, old: T) => void;
  /** Warning header texts for what was sent. */
  readonly warnings?: (object: T) => string[];
  /** Kind of a list; the kind's name and `List` when left out. */
  readonly listKind?: string;
  /** Of a custom resource; kinds of the program are described by the data of `schema.ts`. */
  readonly schema?: JsonSchema;
  /** This row is another version of a stored kind; writes follow the stored row's rules. */
  readonly conversion?: Conversion;
  /** Text of a `Warning` header on every answer: the version is on its way out. */
  readonly deprecation?: string;
  /** Rule of `metadata.name`; default: DNS-1123 subdomain. */
  readonly nameRule?: 'dns1123-subdomain' | 'dns1123-label' | 'dns1035-label' | 'path-segment';
}

/** What most namespaced kinds have in common, for a row to begin with. */
export const namespacedKind = {
  shortNames: [],
  categories: [],
  namespaced: true,
  status: false,
  generation: false,
  fieldSelectors: {},
} as const;

/** The same for cluster-scoped kinds. */
export const clusterKind = { ...namespacedKind, namespaced: false } as const;

/** `v1` or `apps/v1`. */
export function apiVersion(resource: { readonly group: string; readonly version: string }): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** Erases a row's type for the registry: verbs treat every object alike. */
export function row<T extends KubeObject>(resource: Resource<T>): Resource {
  return resource as unknown as Resource;
}

/** URL path of a collection or an object: `/api/v1/namespaces/default/pods/x`. */
export function resourcePath(
  resource: Pick<Resource, 'group' | 'version' | 'plural' | 'namespaced'>,
  at: { namespace?: string; name?: string; subresource?: string } = {},
): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = resource.namespaced && at.namespace ? `/namespaces/${encodeURIComponent(at.namespace)}` : '';
  const name = at.name === undefined ? '' : `/${encodeURIComponent(at.name)}`;
  const subresource = at.subresource === undefined ? '' : `/${at.subresource}`;
  return `${root}${scope}/${resource.plural}${name}${subresource}`;
}

/** Used where a component needs a Service's ports by their resolved names. */
export type ServicePort = NonNullable<NonNullable<Service['spec']>['ports']>[number];
