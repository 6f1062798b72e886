import { apiVersion, type Resource } from '../api/resource.ts';

/** The rows that are served now: those of the program, and those that definitions added while it runs. */
export class Catalog {
  readonly #fixed: readonly Resource[];
  #rows: readonly Resource[];
  readonly #ends = new Map<Resource, AbortController>();
  #byPath: ReadonlyMap<string, Resource>;

  constructor(fixed: readonly Resource[]) {
    this.#fixed = fixed;
    this.#rows = fixed;
    this.#byPath = indexed(fixed);
  }

  /** In discovery order. Another array after every change, so that what is derived from it can be kept until then. */
  get rows(): readonly Resource[] {
    return this.#rows;
  }

  /** `version` as in `apiVersion`: `v1`, `apps/v1`. */
  find(version: string, plural: string): Resource | undefined {
    return this.#byPath.get(`${version}/${plural}`);
  }

  /** Aborts when an added row is no longer served in this form: what follows its objects must begin anew. */
  endOf(resource: Resource): AbortSignal | undefined {
    return this.#ends.get(resource)?.signal;
  }

  /** Replaces all added rows. Rows of the program win over added ones of the same name. */
  setAdded(added: readonly Resource[]): void {
    this.#rows = [...this.#fixed, ...added];
    for (const [resource, end] of this.#ends) {
      if (added.includes(resource)) continue;
      this.#ends.delete(resource);
      end.abort();
    }
    for (const resource of added) if (!this.#ends.has(resource)) this.#ends.set(resource, new AbortController());
    this.#byPath = indexed(this.#rows);
  }
}

function indexed(rows: readonly Resource[]): ReadonlyMap<string, Resource> {
  return new Map(rows.toReversed().map((resource) => [`${apiVersion(resource)}/${resource.plural}`, resource]));
}
