import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Container } from './container-config.ts';
import { prepareSubPaths } from './subpaths.ts';

test('prepareSubPaths() makes what is missing, follows links inside, and refuses to leave the volume', async () => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'subpaths-')));
  const base = join(directory, 'volume');
  const prepare = async (mount: object) => {
    const container = { name: 'c', volumeMounts: [{ name: 'v', mountPath: '/m', ...mount }] } as Container;
    const paths = await prepareSubPaths(container, { volumes: new Map([['v', base]]), env: [['POD', 'web-0']] });
    return paths.get('/m')?.slice(base.length);
  };
  try {
    await mkdir(join(base, '..data'), { recursive: true });
    await mkdir(join(directory, 'outside'));
    await writeFile(join(base, '..data', 'key'), 'x');
    await symlink('..data/key', join(base, 'key'));
    await symlink(join(directory, 'outside'), join(base, 'escape'));
    assert.equal(await prepare({}), undefined);
    assert.equal(await prepare({ subPath: 'a/b' }), '/a/b');
    assert.ok((await stat(join(base, 'a/b'))).isDirectory());
    assert.equal(await prepare({ subPath: 'key' }), '/..data/key');
    assert.equal(await prepare({ subPathExpr: 'of/$(POD)' }), '/of/web-0');
    const refused: [object, RegExp][] = [
      [{ subPath: '../x' }, /must not contain '\.\.'/],
      [{ subPath: '/etc' }, /must be a relative path/],
      [{ subPath: 'escape' }, /leads out of its volume/],
      [{ subPath: 'escape/new' }, /leads out of its volume/],
      [{ subPathExpr: '$(NO)' }, /missing value for "NO"/],
    ];
    for (const [mount, message] of refused) await assert.rejects(prepare(mount), { name: 'ConfigError', message });
    await assert.rejects(stat(join(directory, 'outside/new')));
  } finally {
    await rm(directory, { recursive: true });
  }
});
