import type { KubeObject } from '../types.ts';
import type { PrinterColumn } from './printer-columns.ts';
import type { JsonSchema } from './schema.ts';

/** `CustomResourceDefinitionNames`; singular and listKind are there once defaults are set. */
export interface DefinitionNames {
  plural: string;
  singular?: string;
  kind: string;
  listKind?: string;
  shortNames?: string[];
  categories?: string[];
}

/** `CustomResourceDefinitionVersion`. */
export interface DefinitionVersion {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly deprecated?: boolean;
  readonly deprecationWarning?: string;
  readonly schema?: { readonly openAPIV3Schema?: JsonSchema };
  readonly subresources?: {
    readonly status?: object;
    readonly scale?: {
      readonly specReplicasPath: string;
      readonly statusReplicasPath: string;
      readonly labelSelectorPath?: string;
    };
  };
  readonly additionalPrinterColumns?: readonly PrinterColumn[];
  readonly selectableFields?: readonly { readonly jsonPath: string }[];
}

export interface DefinitionCondition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface DefinitionStatus {
  conditions?: DefinitionCondition[];
  acceptedNames?: DefinitionNames;
  storedVersions?: string[];
}

/** `apiextensions.k8s.io/v1 CustomResourceDefinition`. */
export interface CustomResourceDefinition extends KubeObject {
  spec: {
    group: string;
    names: DefinitionNames;
    scope: 'Namespaced' | 'Cluster';
    versions: DefinitionVersion[];
    conversion?: { strategy: string; webhook?: object };
    preserveUnknownFields?: boolean;
  };
  status?: DefinitionStatus;
}

/** Holds a definition until the objects of its kind are gone. */
export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

export function hasCondition({ status }: CustomResourceDefinition, type: string): boolean {
  return status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}

/** The conditions with one set; its time changes only with its status. */
export function withCondition(
  conditions: readonly DefinitionCondition[] = [],
  next: Omit<DefinitionCondition, 'lastTransitionTime'>,
  time: string,
): DefinitionCondition[] {
  const before = conditions.find(({ type }) => type === next.type);
  const lastTransitionTime = before?.status === next.status ? before.lastTransitionTime : time;
  const condition = { ...next, lastTransitionTime };
  if (!before) return [...conditions, condition];
  return conditions.map((other) => (other === before ? condition : other));
}

/** The version whose form is stored. */
export function storageVersion({ spec }: CustomResourceDefinition): DefinitionVersion | undefined {
  return spec.versions.find(({ storage }) => storage);
}

const VERSION = /^v(\d+)(?:(alpha|beta)(\d+))?$/;
const STAGES: Readonly<Record<string, number>> = { alpha: 0, beta: 1 };

/** Kubernetes' order of versions, best first: v2, v1, v1beta2, v1beta1, v1alpha1, then the rest by name. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [VERSION.exec(a), VERSION.exec(b)];
  if (!left || !right) {
    if (left || right) return left ? -1 : 1;
    return a < b ? -1 : 1;
  }
  const rank = (match: RegExpExecArray) => [match[2] ? STAGES[match[2]]! : 2, Number(match[1]), Number(match[3] ?? 0)];
  const [x, y] = [rank(left), rank(right)];
  const at = x.findIndex((part, index) => part !== y[index]);
  return at < 0 ? 0 : y[at]! - x[at]!;
}
