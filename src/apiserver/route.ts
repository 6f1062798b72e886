import { ApiError } from '../api/errors.ts';
import type { Resource } from '../api/resource.ts';
import type { Catalog } from './catalog.ts';

/** What a resource path names. */
export interface Target {
  readonly resource: Resource;
  /** Empty: all namespaces, or a cluster-scoped kind. */
  readonly namespace: string;
  /** Empty: the collection. */
  readonly name: string;
  readonly subresource: string;
  /** What follows the subresource (`proxy/…`). */
  readonly rest: string;
}

/** Finds rows by API version and plural. */
export class Router {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Undefined when the path is none of a served resource. Throws BadRequest for broken escapes. */
  parse(path: string): Target | undefined {
    const segments = path.split('/').slice(1).map(decodeSegment);
    if (segments.at(-1) === '') segments.pop();
    const prefix = segments[0] === 'api' ? 2 : segments[0] === 'apis' ? 3 : 0;
    if (prefix === 0 || segments.length <= prefix) return undefined;
    return this.#target(segments.slice(1, prefix).join('/'), segments.slice(prefix));
  }

  #target(version: string, parts: readonly string[]): Target | undefined {
    const scoped = parts[0] === 'namespaces' && parts.length > 2;
    const inNamespace = scoped ? this.#catalog.find(version, parts[2]!) : undefined;
    if (inNamespace?.namespaced) return toTarget(inNamespace, parts[1]!, parts.slice(3));
    const resource = this.#catalog.find(version, parts[0] ?? '');
    if (!resource || (resource.namespaced && parts.length > 1)) return undefined;
    return toTarget(resource, '', parts.slice(1));
  }
}

function toTarget(resource: Resource, namespace: string, parts: readonly string[]): Target {
  const [name = '', subresource = '', ...rest] = parts;
  return { resource, namespace, name, subresource, rest: rest.join('/') };
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new ApiError('BadRequest', `invalid path segment ${JSON.stringify(segment)}`);
  }
}
