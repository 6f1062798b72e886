import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { documentedPackages, manifestPackages, renderRooms, replaceRooms } from './architecture-document.ts';
import { formatViolation, lawViolations, misplacedRooms, rooms, siblings } from './law.ts';
import { listFiles, ROOT, readSources, type SourceFile } from './source.ts';

const read = (name: string) => readFileSync(join(ROOT, name), 'utf8');
const violationsOf = (...files: readonly SourceFile[]) => lawViolations(files).map(formatViolation);

test('the tree keeps the law', () => {
  assert.deepEqual(violationsOf(...readSources('src')), []);
});

test('the law itself: rooms import rooms above them only', () => {
  const seen = new Set<string>();
  for (const { name, mayImport } of rooms) {
    for (const target of mayImport) assert.ok(seen.has(target), `${name} → ${target}`);
    seen.add(name);
  }
});

test('the law itself: what it names as shared or as a parent is there', () => {
  for (const { folder, shared, parents, belongs } of siblings) {
    const names = listFiles(folder).map((path) => path.slice(folder.length + 1).split(/[/.]/)[0]);
    if (names.length > 0)
      for (const name of [...shared, ...parents, ...Object.keys(belongs)])
        assert.ok(names.includes(name), `${folder}/${name}`);
  }
});

/** Each row is one file that breaks one rule, and the words that say so. */
const rejected: readonly (readonly [path: string, text: string, message: string])[] = [
  ['src/cellar/a.ts', '', '"cellar" is no room'],
  ['src/a.ts', '', '"src" is no room'],
  ['src/lib/a.ts', "import { b } from '../api/b.ts';", 'room "lib" may not import "api"'],
  ['src/client/a.ts', "import { b } from '../store/b.ts';", 'room "client" may not import "store"'],
  ['src/client/a.ts', "import type { B } from '../apiserver/b.ts';", 'room "client" may not import "apiserver"'],
  ['src/client/a.ts', "const b = await import('../store/b.ts');", 'room "client" may not import "store"'],
  ['src/client/a.ts', "import {\n  b,\n} from '../store/b.ts';", 'a.ts:3: room "client" may not import "store"'],
  ['src/client/a.ts', "export * from '../store/b.ts';", 'room "client" may not import "store"'],
  ['src/agent/cri/a.ts', "import { b } from '../../proxy/b.ts';", 'room "agent" may not import "proxy"'],
  ['src/main/a.ts', "import { b } from '../testing/b.ts';", 'room "main" may not import "testing"'],
  ['src/dns/a.ts', "import { b } from '../testing/b.ts';", 'room "dns" may not import "testing"'],
  ['src/dns/a.ts', "import { b } from './b.fixture.ts';", 'which only tests may'],
  ['src/dns/a.ts', "import { b } from '../../bench/b.ts';", 'which is outside src/'],
  ['src/client/a.test.ts', "import { b } from '../agent/b.ts';", 'room "client" may not import "agent"'],
  ['src/controllers/a.ts', "import { b } from './b.ts';", '"a" may not import its sibling "b"'],
  ['src/controllers/a/x.ts', "import { b } from '../b.ts';", '"a" may not import its sibling "b"'],
  ['src/controllers/a.ts', "import { b } from './start.ts';", '"a" may not import its sibling "start"'],
  ['src/proxy/nftables/a.ts', "import { b } from '../ipvs/b.ts';", '"nftables" may not import its sibling "ipvs"'],
  ['src/agent/a.ts', "import { spawn } from 'node:child_process';", 'commands run through src/host'],
  ['src/main/a.ts', "import { spawn } from 'child_process';", 'commands run through src/host'],
  ['src/store/a.ts', "import { connect } from 'node:net';", 'room "store" opens no sockets'],
  ['src/controllers/a.ts', "const http = await import('node:http');", 'room "controllers" opens no sockets'],
  ['src/api/a.ts', 'export const a = process.env.HOME;', 'process.env: only src/main'],
  ['src/host/a.ts', 'export const a = () => process.exit(1);', 'process.exit: only src/main'],
  ['src/agent/a.ts', 'export const a = process?.argv.length;', 'process?.argv: only src/main'],
  ['src/lib/a.ts', "import { b } from 'yaml';", 'room "lib" uses Node alone'],
  ['src/dns/a.ts', "import './b.ts';", 'imports ./b.ts for its effect'],
];

test('the law rejects', () => {
  for (const [path, text, message] of rejected) {
    const found = violationsOf({ path, text });
    assert.equal(found.length, 1, `${path}: ${text}: ${found.join('\n')}`);
    assert.ok(found[0]!.includes(message), `${found[0]} should say: ${message}`);
  }
});

const accepted: readonly (readonly [path: string, text: string])[] = [
  ['src/dns/a.ts', "import { b } from '../client/b.ts';\nimport { c } from './c.ts';"],
  ['src/dns/a.ts', "import { createSocket } from 'node:dgram';"],
  ['src/dns/a.ts', "// import { b } from '../store/b.ts';"],
  ['src/dns/a.test.ts', "import { b } from '../testing/b.ts';\nimport { c } from '../store/c.ts';"],
  ['src/dns/a.fixture.ts', "import { b } from '../testing/b.ts';"],
  ['src/apiserver/a.ts', "import { b } from '../store/b.ts';"],
  ['src/controllers/start.ts', "import { b } from './b.ts';\nimport { c } from './c.ts';"],
  ['src/controllers/a/x.ts', "import { b } from './y.ts';\nimport { c } from '../../lib/c.ts';"],
  ['src/controllers/a.ts', "import { b } from './a/b.ts';\nimport { c } from './common.ts';"],
  ['src/controllers/a.test.ts', "import { a } from './a.ts';\nimport { start } from './start.ts';"],
  ['src/host/a.ts', "import { spawn } from 'node:child_process';"],
  ['src/main/a.ts', 'process.exit(Number(process.env.CODE));'],
  ['src/agent/a.ts', "const text = 'process.env';"],
  ['src/agent/a.ts', 'const a = container.process.environment;'],
  ['src/lib/a.ts', "import type { B } from 'yaml';\nimport { readFileSync } from 'node:fs';"],
];

test('the law accepts', () => {
  for (const [path, text] of accepted) assert.deepEqual(violationsOf({ path, text }), [], `${path}: ${text}`);
});

test('the law finds rings of files, and leaves types alone', () => {
  const file = (name: string, text: string) => ({ path: `src/dns/${name}.ts`, text });
  const ring = violationsOf(
    file('a', "import { b } from './b.ts';"),
    file('b', "import { c } from './c.ts';"),
    file('c', "import { b } from './b.ts';"),
  );
  assert.deepEqual(ring, ['src/dns/b.ts:1: file cycle: src/dns/b.ts → src/dns/c.ts → src/dns/b.ts']);
  assert.deepEqual(
    violationsOf(file('a', "import type { B } from './b.ts';"), file('b', "import { a } from './a.ts';")),
    [],
  );
});

test('ARCHITECTURE.md draws the rooms as the law has them', () => {
  const document = read('ARCHITECTURE.md');
  const block = renderRooms();
  assert.equal(document, replaceRooms(document, block), 'redraw it: node test/architecture.ts --write');
});

test('renderRooms() and replaceRooms() show a change, and miss no marker', () => {
  const [one, two] = [renderRooms(rooms.slice(0, 2)), renderRooms(rooms.slice(0, 3))];
  assert.notEqual(one, two);
  assert.equal(replaceRooms(`# A\n${one}\nend`, two), `# A\n${two}\nend`);
  assert.equal(replaceRooms('# A', two), undefined);
});

test('every room of the law is in the tree, unless it is planned', () => {
  assert.deepEqual(misplacedRooms(listFiles('src')), []);
});

test('misplacedRooms() finds rooms that are gone and rooms that have come', () => {
  const all = rooms.filter(({ planned }) => !planned).map(({ name }) => `src/${name}/a.ts`);
  assert.deepEqual(misplacedRooms(all), []);
  assert.deepEqual(misplacedRooms(all.filter((path) => !path.includes('/dns/'))), ['dns']);
  assert.deepEqual(misplacedRooms([...all, 'src/console/a.ts']), ['console']);
});

test('ARCHITECTURE.md gives a reason for every dependency, and for no other', () => {
  assert.deepEqual(documentedPackages(read('ARCHITECTURE.md')).sort(), manifestPackages(read('package.json')).sort());
});

test('documentedPackages() and manifestPackages() read every form', () => {
  const document =
    '# A\n| `no` | x |\n## Dependencies\n| package | why |\n|---|---|\n| `a` | x |\n| `@b/c` | y |\n| `d` | |\n## Z\n| `e` | x |';
  assert.deepEqual(documentedPackages(document), ['a', '@b/c']);
  assert.deepEqual(documentedPackages('# A'), []);
  const manifest = { dependencies: { a: '1' }, optionalDependencies: { b: '1' }, devDependencies: { c: '1' } };
  assert.deepEqual(manifestPackages(JSON.stringify(manifest)), ['a', 'b', 'c']);
});
