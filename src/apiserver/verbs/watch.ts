import { ApiError } from '../../api/errors.ts';
import { type Change, CompactedError, type KeyValue } from '../../store/store.ts';
import type { VerbContext } from '../context.ts';
import type { Flushable } from '../fanout.ts';
import { type Encoded, keyPrefix, lastState, objectAs, objectOf, shownAs } from '../objects.ts';
import { type ListQuery, parseListQuery } from '../query.ts';
import type { EventType, Representation } from '../representation.ts';
import type { FrameSink, FrameStream } from '../request.ts';
import type { Target } from '../route.ts';
import { type Predicate, selectorOf } from '../select.ts';
import { tooLarge } from './read.ts';

export interface WatchRequest {
  readonly target: Target;
  readonly query: URLSearchParams;
  readonly representation: Representation;
  readonly signal: AbortSignal;
}

const BOOKMARK_INTERVAL_MS = 60_000;
/** What a client may lag behind before its watch is ended; it then begins again. */
const BACKLOG_EVENTS = 20_000;
const BACKLOG_BYTES = 64 * 1024 * 1024;
const DEFAULT_TIMEOUT_SECONDS = 1800;

/** Starts a watch and answers its events, encoded. Throws Expired when the start is too old. */
export function watchObjects(context: VerbContext, request: WatchRequest): FrameStream {
  const stream = new WatchStream(context, request);
  stream.start();
  return stream;
}

class WatchStream implements FrameStream, Flushable {
  readonly #context: VerbContext;
  readonly #request: WatchRequest;
  readonly #options: ListQuery;
  readonly #where: Predicate | undefined;
  readonly #prefix: string;
  /** Names the kind and the selectors. */
  readonly #selection: string;
  /** Names what watchers of the same get, for each type of event; undefined: each gets something of its own. */
  readonly #keys: Readonly<Record<EventType, string>> | undefined;
  readonly #cancels: (() => void)[] = [];
  #backlog: Uint8Array[] = [];
  #backlogBytes = 0;
  #ended = false;
  #sink: FrameSink | undefined;
  #isPaused = false;
  #wake: () => void = () => {};

  constructor(context: VerbContext, request: WatchRequest) {
    this.#context = context;
    this.#request = request;
    this.#options = parseListQuery(request.query);
    this.#where = selectorOf(request.target.resource, request.query);
    this.#prefix = keyPrefix(request.target.resource, request.target.namespace);
    const { group, version, plural } = request.target.resource;
    const selectors = [request.query.get('labelSelector'), request.query.get('fieldSelector')];
    const { sharedBy } = request.representation;
    const key = (type: EventType) => `${type} ${sharedBy}`;
    this.#keys =
      sharedBy === undefined
        ? undefined
        : { ADDED: key('ADDED'), MODIFIED: key('MODIFIED'), DELETED: key('DELETED'), BOOKMARK: key('BOOKMARK') };
    this.#selection = [group, version, plural, ...selectors].join('\0');
  }

  start(): void {
    const { signal } = this.#request;
    const { store, clock } = this.#context;
    const { resourceVersion: from = 0, sendInitialEvents, timeoutSeconds, bookmarks } = this.#options;
    if (from > store.revision) throw tooLarge(from, store.revision);
    const initial = sendInitialEvents ?? from === 0;
    if (initial) this.#sendInitial();
    this.#follow(initial || from === 0 ? store.revision : from);
    const seconds = timeoutSeconds || DEFAULT_TIMEOUT_SECONDS;
    this.#cancels.push(clock.after(seconds * 1000, () => this.#end()));
    const onAbort = () => this.#end();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#cancels.push(() => signal.removeEventListener('abort', onAbort));
    if (bookmarks) this.#scheduleBookmark();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#backlog.length > 0) yield Buffer.concat(this.#take());
        else if (this.#ended) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#end();
    }
  }

  attach(sink: FrameSink): ReturnType<FrameStream['attach']> {
    this.#sink = sink;
    this.flush();
    const resume = () => {
      this.#isPaused = false;
      this.flush();
    };
    return { resume, close: () => this.#end() };
  }

  flush(): void {
    this.#wake();
    const sink = this.#sink;
    if (!sink || this.#isPaused) return;
    if (this.#backlog.length > 0) this.#isPaused = !sink.write(this.#take());
    if (this.#ended && this.#backlog.length === 0) {
      this.#sink = undefined;
      sink.end();
    }
  }

  #take(): Uint8Array[] {
    this.#backlogBytes = 0;
    const frames = this.#backlog;
    this.#backlog = [];
    return frames;
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
    const { target, representation } = this.#request;
    for (const item of items) {
      if (this.#matches(item)) this.#send(representation.event('ADDED', shownAs(target.resource, encoded(item))));
    }
    if (!this.#options.sendInitialEvents) return;
    this.#send(representation.bookmark(revision, { 'k8s.io/initial-events-end': 'true' }));
  }

  #matches(item: KeyValue | undefined): item is KeyValue {
    return item !== undefined && (!this.#where || this.#where(objectAs(this.#request.target.resource, item)));
  }

  #onChange(change: Change): void {
    const type = this.#where ? shared(change, this.#selection, () => this.#typeFor(change)) : plainType(change);
    if (type) this.#push(change, type);
  }

  #typeFor(change: Change): EventType | undefined {
    const [is, was] = [this.#matches(change.current), this.#matches(change.previous)];
    if (is) return was ? 'MODIFIED' : 'ADDED';
    // An object that a selector no longer matches is gone for this client.
    return was ? 'DELETED' : undefined;
  }

  #push(change: Change, type: EventType): void {
    const { representation, target } = this.#request;
    const encode = () => {
      const stored = type === 'DELETED' ? lastState(change, change.previous!) : encoded(change.current!);
      return representation.event(type, shownAs(target.resource, stored));
    };
    const key = this.#keys?.[type];
    this.#send(key === undefined ? encode() : shared(change, key, encode));
  }

  #scheduleBookmark(): void {
    const cancel = this.#context.clock.after(BOOKMARK_INTERVAL_MS, () => {
      this.#cancels.splice(this.#cancels.indexOf(cancel), 1);
      this.#send(this.#request.representation.bookmark(this.#context.store.revision));
      if (!this.#ended) this.#scheduleBookmark();
    });
    this.#cancels.push(cancel);
  }

  #send(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#backlog.push(frame);
    this.#backlogBytes += frame.length;
    if (this.#backlog.length > BACKLOG_EVENTS || this.#backlogBytes > BACKLOG_BYTES) this.#drop();
    else this.#context.fanout.add(this);
  }

  #drop(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#take();
    this.#end();
    sink?.abort();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const cancel of this.#cancels.splice(0)) cancel();
    this.flush();
  }
}

function encoded(item: KeyValue): Encoded {
  return { object: objectOf(item), text: item.value };
}

function plainType({ current, previous }: Change): EventType {
  if (!current) return 'DELETED';
  return previous ? 'MODIFIED' : 'ADDED';
}

/** Watchers hear of a change one after the other: what the first has found out serves all. */
const newest: { change?: Change; known: Map<string, unknown> } = { known: new Map() };

function shared<T>(change: Change, key: string, find: () => T): T {
  if (newest.change !== change) {
    newest.change = change;
    newest.known.clear();
  }
  if (newest.known.has(key)) return newest.known.get(key) as T;
  const found = find();
  newest.known.set(key, found);
  return found;
}
