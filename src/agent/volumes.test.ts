import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Pod } from '../api/types.ts';
import { prepareVolumes, type VolumeSources, writeAtomically } from './volumes.ts';

const file = (path: string, text: string, mode = 0o644) => ({ path, content: Buffer.from(text), mode });

describe('volumes', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sampan-volumes-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  describe('writeAtomically', () => {
    const shown = async () => (await readdir(directory)).filter((name) => !name.startsWith('..')).sort();
    const text = (path: string) => readFile(join(directory, path), 'utf8');

    it('swaps all files at once, and removes what is gone', async () => {
      await writeAtomically(directory, [file('a', '1'), file('sub/b', '2', 0o400)]);
      assert.deepEqual([await text('a'), await text('sub/b')], ['1', '2']);
      assert.equal((await stat(join(directory, 'sub/b'))).mode & 0o777, 0o400);
      const first = await readlink(join(directory, '..data'));
      await writeAtomically(directory, [file('a', 'new'), file('c', '3')]);
      assert.deepEqual(await shown(), ['a', 'c']);
      assert.equal(await text('a'), 'new');
      assert.notEqual(await readlink(join(directory, '..data')), first);
      assert.equal((await readdir(directory)).length, 4);
    });

    it('leaves alone what is current', async () => {
      await writeAtomically(directory, [file('a', '1')]);
      const first = await readlink(join(directory, '..data'));
      await writeAtomically(directory, [file('a', '1')]);
      assert.equal(await readlink(join(directory, '..data')), first);
    });

    for (const path of ['../out', '/etc/passwd', 'a/../../b']) {
      it(`refuses ${path}`, () => assert.rejects(writeAtomically(directory, [file(path, '')]), /leaves its volume/));
    }
  });

  describe('prepareVolumes', () => {
    const sources: VolumeSources = {
      bytes: async (_kind, name) => (name === 'there' ? { a: Buffer.from('1'), b: Buffer.from('2') } : undefined),
      token: async ({ audience }) => `token for ${audience}`,
      field: (path) => `<${path}>`,
      resource: ({ resource }) => `<${resource}>`,
      claim: async (name) => `/claims/${name}`,
    };
    const prepare = (volume: object) => {
      const pod = { metadata: { name: 'p' }, spec: { volumes: [{ name: 'v', ...volume }] } };
      return prepareVolumes(pod as unknown as Pod, directory, sources);
    };
    const content = async (): Promise<Record<string, string>> => {
      const root = join(directory, 'v/..data');
      const entries = await readdir(root, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
      const pairs = files.map(
        async (path): Promise<[string, string]> => [path.slice(root.length + 1), await readFile(path, 'utf8')],
      );
      return Object.fromEntries(await Promise.all(pairs));
    };

    const cases: [string, object, Record<string, string>][] = [
      ['all keys', { configMap: { name: 'there' } }, { a: '1', b: '2' }],
      ['chosen keys', { secret: { secretName: 'there', items: [{ key: 'a', path: 'x/y' }] } }, { 'x/y': '1' }],
      ['nothing of what is optional', { configMap: { name: 'nosuch', optional: true } }, {}],
      [
        'fields',
        {
          downwardAPI: {
            items: [
              { path: 'name', fieldRef: { fieldPath: 'metadata.name' } },
              { path: 'cpu', resourceFieldRef: { containerName: 'c', resource: 'limits.cpu' } },
            ],
          },
        },
        { name: '<metadata.name>', cpu: '<limits.cpu>' },
      ],
      [
        'projected sources together',
        {
          projected: {
            sources: [{ serviceAccountToken: { path: 't', audience: 'x' } }, { configMap: { name: 'there' } }],
          },
        },
        { t: 'token for x', a: '1', b: '2' },
      ],
    ];
    for (const [name, volume, expected] of cases) {
      it(`shows ${name}`, async () => {
        await prepare(volume);
        assert.deepEqual(await content(), expected);
      });
    }

    const failures: [object, string][] = [
      [{ secret: { secretName: 'nosuch' } }, 'secret "nosuch" not found'],
      [{ configMap: { name: 'there', items: [{ key: 'z', path: 'z' }] } }, 'references non-existent configmap key: z'],
      [{ nfs: { server: 's', path: '/' } }, 'this kind of volume is not supported'],
    ];
    for (const [volume, message] of failures) {
      it(message, () =>
        assert.rejects(prepare(volume), { message: `MountVolume.SetUp failed for volume "v" : ${message}` }),
      );
    }
  });
});
