import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openLmdbStore } from '../store/lmdb.ts';
import type { Store } from '../store/store.ts';
import { startTestServer, type TestServer } from '../testing/server.ts';
import { startWatch } from '../testing/watch.ts';

/**
 * Random operations on ConfigMaps of two namespaces, answered by the real server over the durable store, which is
 * restarted in between, and by a model that is nothing but a map.
 */
type Operation =
  | { do: 'create' | 'update' | 'delete' | 'get'; at: Place; value: number }
  | { do: 'patch' | 'apply'; at: Place; key: string; value: number | null }
  | { do: 'stale'; at: Place; value: number }
  | { do: 'list'; namespace: string; limit: number; label: number | undefined }
  | { do: 'restart' };

interface Place {
  namespace: string;
  name: string;
}

interface Known {
  data: Record<string, string>;
  label: string;
  resourceVersion: string;
  uid: string;
}

const namespaces = ['default', 'other'];
const place = fc.record({ namespace: fc.constantFrom(...namespaces), name: fc.constantFrom('a', 'b', 'c', 'd') });
const value = fc.nat(3);
const key = fc.constantFrom('x', 'y', 'z');
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('create', 'update', 'delete', 'get'), at: place, value }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('patch'), at: place, key, value: fc.option(value) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('stale'), at: place, value }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('list'),
      namespace: fc.constantFrom('', ...namespaces),
      limit: fc.nat(3),
      label: fc.option(value, { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' } as const) },
);

const pathOf = (namespace: string) =>
  namespace === '' ? '/api/v1/configmaps' : `/api/v1/namespaces/${namespace}/configmaps`;
const MERGE = { 'content-type': 'application/merge-patch+json' };

class Model {
  readonly objects = new Map<string, Known>();
  /** What watchers should have seen, in order. */
  readonly events: string[] = [];

  /** Keys in the order of lists. */
  keys(namespace: string, label: number | undefined): string[] {
    const all = [...this.objects.keys()].filter((id) => namespace === '' || id.startsWith(`${namespace}/`));
    return all.filter((id) => label === undefined || this.objects.get(id)!.label === String(label)).sort();
  }
}

class Run {
  readonly model = new Model();
  readonly #directory: string;
  #store: Store | undefined;
  server!: TestServer;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async open(): Promise<void> {
    this.#store = await openLmdbStore({ directory: this.#directory });
    this.server = await startTestServer({ store: this.#store });
  }

  async close(): Promise<void> {
    await this.#store!.close();
  }

  async step(step: Operation): Promise<void> {
    switch (step.do) {
      case 'restart':
        await this.close();
        return this.open();
      case 'list':
        return this.#list(step);
      case 'get':
        return this.#get(step.at);
      case 'create':
        return this.#create(step.at, step.value);
      case 'delete':
        return this.#delete(step.at);
      default:
        return this.#change(step as Extract<Operation, { at: Place }>);
    }
  }

  async #create(at: Place, number: number): Promise<void> {
    const body = { metadata: { name: at.name, labels: { v: String(number) } }, data: { x: String(number) } };
    const answer = await this.server.request('POST', pathOf(at.namespace), body);
    const exists = this.model.objects.has(idOf(at));
    assert.equal(answer.status, exists ? 409 : 201, answer.body.message);
    if (!exists) this.#note('ADDED', at, answer.body);
  }

  async #get(at: Place): Promise<void> {
    const { status, body } = await this.server.request('GET', `${pathOf(at.namespace)}/${at.name}`);
    const known = this.model.objects.get(idOf(at));
    assert.equal(status, known ? 200 : 404);
    if (known) assert.deepEqual(knownOf(body), known);
  }

  async #delete(at: Place): Promise<void> {
    const { status } = await this.server.request('DELETE', `${pathOf(at.namespace)}/${at.name}`);
    assert.equal(status, this.model.objects.has(idOf(at)) ? 200 : 404);
    if (this.model.objects.delete(idOf(at))) this.model.events.push(`DELETED ${idOf(at)}`);
  }

  async #change(step: Extract<Operation, { at: Place }>): Promise<void> {
    const { at } = step;
    const known = this.model.objects.get(idOf(at));
    const path = `${pathOf(at.namespace)}/${at.name}`;
    if (step.do === 'patch' || step.do === 'apply') {
      const data = { [step.key]: step.value === null ? null : String(step.value) };
      const answer = await this.server.request('PATCH', path, { data }, MERGE);
      return this.#changed(at, answer, withKey(known?.data ?? {}, step.key, step.value));
    }
    const resourceVersion = step.do === 'stale' ? '1' : undefined;
    const metadata = { name: at.name, labels: { v: String(step.value) }, resourceVersion };
    const answer = await this.server.request('PUT', path, { metadata, data: { x: String(step.value) } });
    if (step.do === 'stale' && known) assert.equal(answer.status, 409);
    else await this.#changed(at, answer, { x: String(step.value) });
  }

  #changed(at: Place, answer: Awaited<ReturnType<TestServer['request']>>, data: Record<string, string>): void {
    const known = this.model.objects.get(idOf(at));
    assert.equal(answer.status, known ? 200 : 404, answer.body.message);
    if (!known) return;
    assert.deepEqual(answer.body.data ?? {}, data);
    assert.equal(answer.body.metadata.uid, known.uid);
    const isSame = answer.body.metadata.resourceVersion === known.resourceVersion;
    const looksSame = sameData(data, known.data) && answer.body.metadata.labels?.v === known.label;
    assert.equal(isSame, looksSame, 'only a change has a new revision');
    if (!isSame) this.#note('MODIFIED', at, answer.body);
  }

  async #list({ namespace, limit, label }: Extract<Operation, { do: 'list' }>): Promise<void> {
    const found: Known[] = [];
    const ids: string[] = [];
    for (let next = ''; ; ) {
      const query = new URLSearchParams({ limit: String(limit), continue: next });
      if (label !== undefined) query.set('labelSelector', `v=${label}`);
      const { body } = await this.server.request('GET', `${pathOf(namespace)}?${query}`);
      assert.ok(limit === 0 || body.items.length <= limit);
      for (const item of body.items) {
        if (item.metadata.name.startsWith('kube-')) continue;
        found.push(knownOf(item));
        ids.push(idOf(item.metadata));
      }
      next = body.metadata.continue ?? '';
      if (next === '') break;
    }
    const expected = this.model.keys(namespace, label);
    assert.deepEqual(ids, expected);
    assert.deepEqual(
      found,
      expected.map((id) => this.model.objects.get(id)),
    );
  }

  #note(type: string, at: Place, body: Parameters<typeof knownOf>[0]): void {
    this.model.objects.set(idOf(at), knownOf(body));
    this.model.events.push(`${type} ${idOf(at)} ${JSON.stringify(knownOf(body).data)}`);
  }

  /** Every change since `from`, over all restarts, as a watch tells it. */
  async checkWatch(from: string): Promise<void> {
    const { events } = this.model;
    if (events.length === 0) return;
    const path = `/api/v1/configmaps?watch=1&resourceVersion=${from}`;
    const seen = await (await startWatch(this.server, { path, events: events.length }))();
    const texts = seen.map((line) => {
      const { type, object } = JSON.parse(line.toString());
      const id = idOf(object.metadata);
      return type === 'DELETED' ? `DELETED ${id}` : `${type} ${id} ${JSON.stringify(object.data ?? {})}`;
    });
    assert.deepEqual(texts, events);
  }
}

function idOf({ namespace, name }: Place): string {
  return `${namespace}/${name}`;
}

function knownOf(body: {
  data?: Record<string, string>;
  metadata: { labels?: Record<string, string>; resourceVersion: string; uid: string };
}): Known {
  const { labels, resourceVersion, uid } = body.metadata;
  return { data: body.data ?? {}, label: labels?.['v'] ?? '', resourceVersion, uid };
}

function withKey(data: Record<string, string>, key: string, value: number | null): Record<string, string> {
  const { [key]: _before, ...rest } = data;
  return value === null ? rest : { ...rest, [key]: String(value) };
}

function sameData(a: Record<string, string>, b: Record<string, string>): boolean {
  const text = (data: Record<string, string>) => JSON.stringify(Object.entries(data).sort());
  return text(a) === text(b);
}

test('the server does what a map would, over restarts, and watches tell it in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 60 }), async (operations) => {
      const directory = await mkdtemp(join(tmpdir(), 'sampan-model-'));
      const run = new Run(directory);
      await run.open();
      try {
        await run.server.request('POST', '/api/v1/namespaces', { metadata: { name: 'other' } });
        const from = (await run.server.request('GET', '/api/v1/configmaps')).body.metadata.resourceVersion;
        for (const step of operations) await run.step(step);
        for (const namespace of ['', ...namespaces])
          await run.step({ do: 'list', namespace, limit: 0, label: undefined });
        await run.checkWatch(from);
      } finally {
        await run.close();
        await rm(directory, { recursive: true });
      }
    }),
    { numRuns: 25 },
  );
});
