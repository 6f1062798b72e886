import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blankComments, blankText, importsOf } from './source.ts';

test('importsOf() reads every form of import', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["import a from 'x';", 'x', ''],
    ["import { a, type B } from 'x';", 'x', ''],
    ["import {\n  a,\n  b as c,\n} from 'x';", 'x', ''],
    ["import * as a from 'x';", 'x', ''],
    ["import type { A } from 'x';", 'x', 'type'],
    ["import type A from 'x';", 'x', 'type'],
    ["import type from 'x';", 'x', ''],
    ["import 'x';", 'x', 'bare'],
    ["export { a } from 'x';", 'x', ''],
    ["export * from 'x';", 'x', ''],
    ["export type { A } from 'x';", 'x', 'type'],
    ["const a = await import('x');", 'x', ''],
    ['import(`x`);', 'x', ''],
    ["require('x');", 'x', ''],
    ['import a from "x";', 'x', ''],
    ["import a from 'x' with { type: 'json' };", 'x', ''],
  ];
  for (const [text, specifier, kind] of rows) {
    const found = importsOf(text).map((one) => [one.specifier, one.typeOnly ? 'type' : one.bare ? 'bare' : '']);
    assert.deepEqual(found, [[specifier, kind]], text);
  }
});

test('importsOf() reads no imports where there are none', () => {
  const rows = [
    "// import a from 'x';",
    "/* import a\n from 'x'; */",
    'const a = "import b from \'x\'";',
    "const a = `import b from 'x'`;",
    "export const a = 'x';",
    "export function f() { return 'x'; }",
    "thing.import('x');",
    "const a = /import b from 'x'/;",
  ];
  for (const text of rows) assert.deepEqual(importsOf(text), [], text);
});

test('importsOf() tells the line', () => {
  assert.deepEqual(
    importsOf("// one\n\nimport {\n  a,\n} from 'x';").map((one) => one.line),
    [5],
  );
});

/** Written with `#` for the dollar sign, so that they are no templates here. */
const templates = (text: string) => text.replaceAll('#', '$');

test('blankText() keeps code and positions', () => {
  const rows = [
    ["a('b') // c", "a(' ')     "],
    ['a(`b#{c + `d#{e}`}f`)', 'a(` #{c + ` #{e}`} `)'],
    ['x = /[/"]/g; y', 'x = /    /g; y'],
    ['a / b / c', 'a / b / c'],
    ["'\\'' + a", "'  ' + a"],
    ['/* a\nb */ c', '    \n     c'],
    ['({ a: `#{{ b }.b}` })', '({ a: `#{{ b }.b}` })'],
  ] as const;
  for (const [text, expected] of rows) assert.equal(blankText(templates(text)), templates(expected), text);
});

test('blankComments() keeps strings', () => {
  assert.equal(blankComments("a('//b'); // c"), "a('//b');     ");
});
