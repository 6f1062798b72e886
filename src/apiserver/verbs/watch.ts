import { ApiError } from '../../api/errors.ts';
import { type Change, CompactedError, type KeyValue } from '../../store/store.ts';
import type { VerbContext } from '../context.ts';
import { type Encoded, keyPrefix, lastState, objectAs, objectOf, shownAs } from '../objects.ts';
import { type ListQuery, parseListQuery } from '../query.ts';
import type { EventType, Representation } from '../representation.ts';
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
export function watchObjects(context: VerbContext, request: WatchRequest): AsyncIterable<Uint8Array> {
  const stream = new WatchStream(context, request);
  stream.start();
  return stream.frames();
}

class WatchStream {
  readonly #context: VerbContext;
  readonly #request: WatchRequest;
  readonly #options: ListQuery;
  readonly #where: Predicate | undefined;
  readonly #prefix: string;
  readonly #cancels: (() => void)[] = [];
  #backlog: Uint8Array[] = [];
  #backlogBytes = 0;
  #ended = false;
  #wake: () => void = () => {};

  constructor(context: VerbContext, request: WatchRequest) {
    this.#context = context;
    this.#request = request;
    this.#options = parseListQuery(request.query);
    this.#where = selectorOf(request.target.resource, request.query);
    this.#prefix = keyPrefix(request.target.resource, request.target.namespace);
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

  async *frames(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#backlog.length > 0) yield this.#take();
        else if (this.#ended) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#end();
    }
  }

  #take(): Uint8Array {
    const frames = this.#backlog.splice(0);
    this.#backlogBytes = 0;
    return frames.length === 1 ? frames[0]! : Buffer.concat(frames);
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
    const { current, previous } = change;
    const [is, was] = [this.#matches(current), this.#matches(previous)];
    if (is) this.#push(change, was ? 'MODIFIED' : 'ADDED');
    // An object that a selector no longer matches is gone for this client.
    else if (was) this.#push(change, 'DELETED');
  }

  #push(change: Change, type: EventType): void {
    const { representation, target } = this.#request;
    const { sharedBy } = representation;
    const encode = () => {
      const stored = type === 'DELETED' ? lastState(change, change.previous!) : encoded(change.current!);
      return representation.event(type, shownAs(target.resource, stored));
    };
    this.#send(sharedBy === undefined ? encode() : sharedFrame(change, `${type} ${sharedBy}`, encode));
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
    if (this.#backlog.length > BACKLOG_EVENTS || this.#backlogBytes > BACKLOG_BYTES) this.#end();
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

/** Watchers hear of a change one after the other: what the first has encoded serves all. */
const newest: { change?: Change; frames: Map<string, Uint8Array> } = { frames: new Map() };

function sharedFrame(change: Change, key: string, encode: () => Uint8Array): Uint8Array {
  if (newest.change !== change) {
    newest.change = change;
    newest.frames.clear();
  }
  let frame = newest.frames.get(key);
  if (!frame) {
    frame = encode();
    newest.frames.set(key, frame);
  }
  return frame;
}
