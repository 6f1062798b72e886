import { stringify as stringifyYaml } from 'yaml';
import { apiVersion, type Resource } from '../api/resource.ts';
import { partialMetadata } from '../api/table.ts';
import type { KubeObject } from '../api/types.ts';
import { type Negotiated, tableOf } from './negotiate.ts';
import type { Encoded } from './objects.ts';
import { encodeListOf, encodeMessage, encodeProtobuf, frameWatchEvent, wrapMessage } from './protobuf/encode.ts';
import type { ApiResponse } from './request.ts';

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

/** `metav1.ListMeta` of an answer. */
export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const MEDIA_TYPES = { json: 'application/json', yaml: 'application/yaml', protobuf: PROTOBUF };

type Json = Record<string, unknown>;

const messages = new WeakMap<KubeObject, Uint8Array>();

/** The protobuf message of a shared object, encoded once. */
function messageOf(object: KubeObject): Uint8Array {
  let message = messages.get(object);
  if (!message) {
    message = encodeMessage(object as unknown as Json);
    messages.set(object, message);
  }
  return message;
}

/** How the answers of one request look: an object, table or partial metadata, in JSON, YAML or protobuf. */
export class Representation {
  readonly #resource: Resource;
  readonly #negotiated: Negotiated;
  readonly #now: () => number;
  #sentColumns = false;

  constructor(resource: Resource, negotiated: Negotiated, now: () => number) {
    this.#resource = resource;
    this.#negotiated = negotiated;
    this.#now = now;
  }

  get #isPlain(): boolean {
    return this.#negotiated.format === 'object';
  }

  /** What clients of equal answers have in common; undefined when each has answers of his own. */
  get sharedBy(): string | undefined {
    const { format, encoding, version } = this.#negotiated;
    return format === 'table' ? undefined : `${apiVersion(this.#resource)} ${encoding} ${format} ${version}`;
  }

  /** Any object, `Status` and `Scale` too, as it is. */
  raw(status: number, object: object): ApiResponse {
    const { encoding } = this.#negotiated;
    if (encoding === 'protobuf') return this.#response(status, encodeProtobuf(object as Json));
    return this.#response(status, encoding === 'yaml' ? stringifyYaml(object) : JSON.stringify(object));
  }

  /** An object of the resource; `text`: its JSON, where that is known. */
  object(status: number, { object, text }: { object: KubeObject; text?: string | undefined }): ApiResponse {
    const { encoding } = this.#negotiated;
    if (!this.#isPlain) return this.raw(status, this.#viewOf(object));
    if (encoding === 'json') return this.#response(status, text ?? JSON.stringify(object));
    if (encoding === 'yaml') return this.#response(status, stringifyYaml(object));
    return this.#response(status, wrapMessage(this.#type(), messageOf(object)));
  }

  list(items: readonly Encoded[], metadata: ListMeta): ApiResponse {
    const { format, encoding } = this.#negotiated;
    if (format === 'table') return this.raw(200, this.#table(items, metadata));
    if (encoding === 'protobuf') return this.#response(200, this.#protobufList(items, metadata));
    const { apiVersion: version, kind } = this.#listType();
    const texts = items.map(({ object, text }) => (this.#isPlain ? text : JSON.stringify(this.#viewOf(object))));
    const head = `{"kind":"${kind}","apiVersion":"${version}","metadata":${JSON.stringify(metadata)}`;
    const text = `${head},"items":[${texts.join(',')}]}`;
    return this.#response(200, encoding === 'yaml' ? stringifyYaml(JSON.parse(text)) : text);
  }

  get streamType(): string {
    const { encoding } = this.#negotiated;
    return encoding === 'protobuf' ? `${PROTOBUF};stream=watch` : 'application/json';
  }

  /** An event of a watch stream. */
  event(type: EventType, { object, text }: Encoded): Buffer {
    if (this.#negotiated.encoding === 'protobuf') return frameWatchEvent(type, this.#protobufEvent(object));
    const json = this.#isPlain ? text : JSON.stringify(this.#eventView(object));
    return Buffer.from(`{"type":"${type}","object":${json}}\n`);
  }

  /** Says which revision a watch has come to. */
  bookmark(revision: number, annotations?: Record<string, string>): Buffer {
    const metadata = { resourceVersion: String(revision), creationTimestamp: null, annotations };
    const object = { ...this.#bookmarkType(), metadata, ...this.#emptySpec() };
    if (this.#negotiated.encoding === 'protobuf') return frameWatchEvent('BOOKMARK', encodeProtobuf(object));
    return Buffer.from(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  }

  #protobufEvent(object: KubeObject): Buffer {
    return this.#isPlain
      ? wrapMessage(this.#type(), messageOf(object))
      : encodeProtobuf(this.#viewOf(object) as unknown as Json);
  }

  #protobufList(items: readonly Encoded[], metadata: ListMeta): Buffer {
    const encode = ({ object }: Encoded) =>
      this.#isPlain ? messageOf(object) : encodeMessage(this.#viewOf(object) as unknown as Json);
    return encodeListOf(this.#listType(), { ...metadata }, items.map(encode));
  }

  #viewOf(object: KubeObject): object {
    const { format, version } = this.#negotiated;
    if (format === 'partial') return { ...partialMetadata(object), apiVersion: `meta.k8s.io/${version}` };
    return tableOf([object], { resourceVersion: object.metadata.resourceVersion }, this.#tableOptions());
  }

  /** Columns are told with the first event alone. */
  #eventView(object: KubeObject): object {
    if (this.#negotiated.format !== 'table') return this.#viewOf(object);
    const columns = !this.#sentColumns;
    this.#sentColumns = true;
    const metadata = { resourceVersion: object.metadata.resourceVersion };
    return tableOf([object], metadata, { ...this.#tableOptions(), columns });
  }

  #table(items: readonly Encoded[], metadata: ListMeta): object {
    return tableOf(
      items.map(({ object }) => object),
      metadata,
      this.#tableOptions(),
    );
  }

  #tableOptions() {
    return { resource: this.#resource, negotiated: this.#negotiated, now: this.#now() };
  }

  #type() {
    return { apiVersion: apiVersion(this.#resource), kind: this.#resource.kind };
  }

  #listType() {
    const { format, version } = this.#negotiated;
    if (format === 'partial') return { apiVersion: `meta.k8s.io/${version}`, kind: 'PartialObjectMetadataList' };
    return { apiVersion: apiVersion(this.#resource), kind: this.#resource.listKind ?? `${this.#resource.kind}List` };
  }

  #bookmarkType() {
    const { format, version } = this.#negotiated;
    if (format === 'object') return this.#type();
    return { apiVersion: `meta.k8s.io/${version}`, kind: format === 'table' ? 'Table' : 'PartialObjectMetadata' };
  }

  #emptySpec(): object {
    return this.#negotiated.format === 'table' ? { columnDefinitions: [], rows: [] } : {};
  }

  #response(status: number, body: string | Uint8Array): ApiResponse {
    return { status, headers: { 'content-type': MEDIA_TYPES[this.#negotiated.encoding] }, body };
  }
}
