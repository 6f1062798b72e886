import { ApiError } from '../../api/errors.ts';
import { apiVersion } from '../../api/resource.ts';
import { type Change, CompactedError, type KeyValue } from '../../store/store.ts';
import type { VerbContext } from '../context.ts';
import { type Negotiated, renderObject, tableOf } from '../negotiate.ts';
import { type Encoded, keyPrefix, lastState, objectAs, objectOf, shownAs } from '../objects.ts';
import type { Target } from '../route.ts';
import { type Predicate, selectorOf } from '../select.ts';
import { parseNumber } from './read.ts';

export interface WatchRequest {
  readonly target: Target;
  readonly query: URLSearchParams;
  readonly negotiated: Negotiated;
  readonly signal: AbortSignal;
}

const BOOKMARK_INTERVAL_MS = 60_000;
/** Events that a client may lag behind before its watch is ended; it then lists again. */
const BACKLOG_LIMIT = 20_000;
const DEFAULT_TIMEOUT_SECONDS = 1800;

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** Starts a watch and answers its lines, one JSON event each. Throws Expired when the start is too old. */
export function watchObjects(context: VerbContext, request: WatchRequest): AsyncIterable<string> {
  const stream = new WatchStream(context, request);
  stream.start();
  return stream.lines();
}

class WatchStream {
  readonly #context: VerbContext;
  readonly #request: WatchRequest;
  readonly #where: Predicate | undefined;
  readonly #prefix: string;
  readonly #cancels: (() => void)[] = [];
  #backlog: string[] = [];
  #ended = false;
  #sentColumns = false;
  #wake: () => void = () => {};

  constructor(context: VerbContext, request: WatchRequest) {
    this.#context = context;
    this.#request = request;
    this.#where = selectorOf(request.target.resource, request.query);
    this.#prefix = keyPrefix(request.target.resource, request.target.namespace);
  }

  start(): void {
    const { query, signal } = this.#request;
    const { store, clock } = this.#context;
    const from = parseNumber(query, 'resourceVersion') ?? 0;
    const initial =
      query.get('sendInitialEvents') === 'true' || (from === 0 && query.get('sendInitialEvents') === null);
    if (from > store.revision)
      throw new ApiError('Timeout', `Too large resource version: ${from}, current: ${store.revision}`);
    if (initial) this.#sendInitial();
    this.#follow(initial ? store.revision : from);
    const seconds = parseNumber(query, 'timeoutSeconds') || DEFAULT_TIMEOUT_SECONDS;
    this.#cancels.push(clock.after(seconds * 1000, () => this.#end()));
    const onAbort = () => this.#end();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#cancels.push(() => signal.removeEventListener('abort', onAbort));
    if (query.get('allowWatchBookmarks') === 'true') this.#scheduleBookmark();
  }

  async *lines(): AsyncGenerator<string> {
    try {
      for (;;) {
        if (this.#backlog.length > 0) yield this.#backlog.splice(0).join('');
        else if (this.#ended) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#end();
    }
  }

  #follow(revision: number): void {
    try {
      // Revision 0 of an empty store has no history to miss.
      const cancel = this.#context.store.watch(this.#prefix, revision, (change) => this.#onChange(change));
      this.#cancels.push(cancel);
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
      throw new ApiError('Expired', `too old resource version: ${revision} (${error.oldest})`);
    }
  }

  #sendInitial(): void {
    const { items, revision } = this.#context.store.list(this.#prefix);
    for (const item of items) if (this.#matches(item)) this.#push('ADDED', encoded(item));
    if (this.#request.query.get('sendInitialEvents') !== 'true') return;
    this.#bookmark(revision, { 'k8s.io/initial-events-end': 'true' });
  }

  #matches(item: KeyValue | undefined): item is KeyValue {
    return item !== undefined && (!this.#where || this.#where(objectAs(this.#request.target.resource, item)));
  }

  #onChange(change: Change): void {
    const { current, previous } = change;
    const [is, was] = [this.#matches(current), this.#matches(previous)];
    if (is) this.#push(was ? 'MODIFIED' : 'ADDED', encoded(current!));
    // An object that a selector no longer matches is gone for this client.
    else if (was) this.#push('DELETED', lastState(change, previous!));
  }

  #push(type: EventType, stored: Encoded): void {
    this.#send(`{"type":"${type}","object":${this.#render(shownAs(this.#request.target.resource, stored))}}\n`);
  }

  #render({ object, text }: Encoded): string {
    const { negotiated, target } = this.#request;
    if (negotiated.format === 'object') return text;
    const options = { resource: target.resource, negotiated, now: this.#context.clock.now() };
    if (negotiated.format === 'partial') return JSON.stringify(renderObject(object, options));
    const columns = !this.#sentColumns;
    this.#sentColumns = true;
    return JSON.stringify(
      tableOf([object], { resourceVersion: object.metadata.resourceVersion }, { ...options, columns }),
    );
  }

  #scheduleBookmark(): void {
    const cancel = this.#context.clock.after(BOOKMARK_INTERVAL_MS, () => {
      this.#cancels.splice(this.#cancels.indexOf(cancel), 1);
      this.#bookmark(this.#context.store.revision);
      if (!this.#ended) this.#scheduleBookmark();
    });
    this.#cancels.push(cancel);
  }

  #bookmark(revision: number, annotations?: Record<string, string>): void {
    const { resource } = this.#request.target;
    const metadata = { resourceVersion: String(revision), creationTimestamp: null, annotations };
    const object =
      this.#request.negotiated.format === 'table'
        ? { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: [], rows: [] }
        : { kind: resource.kind, apiVersion: apiVersion(resource), metadata };
    this.#send(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  }

  #send(line: string): void {
    if (this.#ended) return;
    this.#backlog.push(line);
    if (this.#backlog.length > BACKLOG_LIMIT) this.#end();
    this.#wake();
  }

  #end(): void {
    this.#ended = true;
    for (const cancel of this.#cancels.splice(0)) cancel();
    this.#wake();
  }
}

function encoded(item: KeyValue): Encoded {
  return { object: objectOf(item), text: item.value };
}
