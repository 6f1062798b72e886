import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CelSyntaxError, compileCel, toCel } from './program.ts';

const self = {
  name: 'web',
  replicas: 3,
  ratio: 0.5,
  tags: ['a', 'b'],
  ports: [
    { name: 'http', port: 80 },
    { name: 'https', port: 443 },
  ],
};

const rows: [string, unknown][] = [
  ['self.replicas <= 5 && self.name.startsWith("w")', true],
  ['self.ports.all(p, p.port > 0 && p.port < 65536)', true],
  ['self.ports.exists_one(p, p.name == "http")', true],
  ['self.ports.map(p, p.name).join(",")', 'http,https'],
  ['has(self.missing) ? self.missing : "none"', 'none'],
  ['self.name.matches("^[a-z]+$")', true],
  ['"x" in self.tags', false],
  ['self.ratio * 2.0 == 1.0', true],
  ['[3, 1, 2].max() + [3, 1, 2].min() + [1, 2].sum()', 7],
  ['[1, 2, 2].isSorted() && ["b", "a"].indexOf("a") == 1', true],
  ['sets.contains(self.tags, ["a"]) && !sets.intersects(self.tags, ["c"])', true],
  ['sets.equivalent([1, 2], [2, 1, 1])', true],
  ['isIP("10.0.0.1") && !isIP("10.0.0.300") && ip("::1").family() == 6', true],
  ['cidr("10.0.0.0/8").containsIP("10.1.2.3") && cidr("10.0.0.0/8").prefixLength() == 8', true],
  ['quantity("1Gi").isGreaterThan(quantity("500Mi")) && !isQuantity("many")', true],
  ['url("https://example.com:8080/a").getPort()', '8080'],
  ['format.dns1123Label().validate("a-b").hasValue()', false],
  ['format.qualifiedName().validate("a b").value().size()', 1],
  ['format.named("labelValue").hasValue() && optional.none().orValue(3) == 3', true],
  ['duration("90m") > duration("1h")', true],
  ['self.ports.filter(p, p.port == 80).size()', 1],
];

for (const [expression, expected] of rows) {
  test(expression, () => {
    assert.deepEqual(compileCel(expression, ['self']).run({ self: toCel(self) }), { value: expected });
  });
}

test('an expression that fails says why', () => {
  const run = (expression: string) => compileCel(expression, ['self']).run({ self: toCel(self) });
  assert.deepEqual(run('self.missing > 1'), { error: 'field not found: missing' });
  assert.deepEqual(run('1 / 0'), { error: 'int divide by zero' });
  assert.match((run('self.tags.sum()') as { error: string }).error, /no such overload/);
});

test('what is not known is refused before it runs', () => {
  assert.throws(() => compileCel('self.', ['self']), CelSyntaxError);
  assert.throws(() => compileCel('other.a', ['self']), /undeclared reference to 'other'/);
  assert.throws(() => compileCel('self.name.shout()', ['self']), /undeclared reference to 'shout'/);
  assert.ok(compileCel('oldSelf == self', ['self', 'oldSelf']).variables.has('oldSelf'));
});
