import { badRequest } from '../api/errors.ts';
import type { Resource } from '../api/resource.ts';
import { matchesLabels, parseFieldSelector, parseLabelSelector } from '../api/selectors.ts';
import type { KubeObject } from '../api/types.ts';

export type Predicate = (object: KubeObject) => boolean;

/** The `labelSelector` and `fieldSelector` of a request; undefined when it has neither. Throws BadRequest. */
export function selectorOf(resource: Resource, query: URLSearchParams): Predicate | undefined {
  const labels = query.get('labelSelector');
  const fields = query.get('fieldSelector');
  const checks = [...(labels ? [labelPredicate(labels)] : []), ...(fields ? [fieldPredicate(resource, fields)] : [])];
  if (checks.length === 0) return undefined;
  return (object) => checks.every((check) => check(object));
}

function labelPredicate(text: string): Predicate {
  const requirements = parseLabelSelector(text);
  return (object) => matchesLabels(requirements, object.metadata.labels);
}

function fieldPredicate(resource: Resource, text: string): Predicate {
  const requirements = parseFieldSelector(text).map(({ path, value, negated }) => {
    const read = fieldReader(resource, path);
    return (object: KubeObject) => (read(object) === value) !== negated;
  });
  return (object) => requirements.every((holds) => holds(object));
}

function fieldReader(resource: Resource, path: string): (object: KubeObject) => string {
  if (path === 'metadata.name') return (object) => object.metadata.name;
  if (path === 'metadata.namespace') return (object) => object.metadata.namespace ?? '';
  if (Object.hasOwn(resource.fieldSelectors, path)) return resource.fieldSelectors[path]!;
  if (Object.keys(resource.fieldSelectors).length > 0) throw badRequest(`field label not supported: ${path}`);
  const known = '"metadata.name", "metadata.namespace"';
  throw badRequest(`${JSON.stringify(path)} is not a known field selector: only ${known}`);
}
