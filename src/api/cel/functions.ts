import {
  type CelFunc,
  CelScalar,
  type CelValue,
  celFunc,
  celMethod,
  isCelUint,
  listType,
  mapType,
} from '@bufbuild/cel';
import { type Cidr, cidrContains, parseCidr, parseIp } from '../../lib/ip.ts';
import { parseQuantity } from '../quantity.ts';
import { formatFunctions, optionalFunctions } from './format-functions.ts';

const { BOOL, DYN, INT, STRING } = CelScalar;
const LIST = listType(DYN);
/** Values of types that CEL itself has not (addresses, quantities, URLs) are maps with a field that says what they are. */
const OPAQUE = mapType(STRING, DYN);

/** The functions that Kubernetes adds to CEL: lists, sets, IP, CIDR, quantity, URL, formats and optional values. */
export const kubernetesFunctions: CelFunc[] = [
  ...listFunctions(),
  ...setFunctions(),
  ...addressFunctions(),
  ...quantityFunctions(),
  ...urlFunctions(),
  ...optionalFunctions(),
  ...formatFunctions(),
];

type Numeric = bigint | number;

function listFunctions(): CelFunc[] {
  return [
    celMethod('sum', LIST, [], DYN, function () {
      return [...this].reduce((sum: CelValue, item) => (sum === 0n ? item : add(sum, item)), 0n);
    }),
    celMethod('min', LIST, [], DYN, function () {
      return extreme([...this], -1);
    }),
    celMethod('max', LIST, [], DYN, function () {
      return extreme([...this], 1);
    }),
    celMethod('isSorted', LIST, [], BOOL, function () {
      const items = [...this];
      return items.every((item, index) => index === 0 || compare(items[index - 1]!, item) <= 0);
    }),
    celMethod('indexOf', LIST, [DYN], INT, function (wanted) {
      return BigInt([...this].findIndex((item) => same(item, wanted)));
    }),
    celMethod('lastIndexOf', LIST, [DYN], INT, function (wanted) {
      return BigInt([...this].findLastIndex((item) => same(item, wanted)));
    }),
  ];
}

function add(a: CelValue, b: CelValue): CelValue {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a + b;
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  throw new Error('no such overload');
}

function extreme(items: readonly CelValue[], sign: 1 | -1): CelValue {
  if (items.length === 0) throw new Error(`${sign < 0 ? 'min' : 'max'} called on empty list`);
  return items.reduce((best, item) => (Math.sign(compare(item, best)) === sign ? item : best));
}

function compare(a: CelValue, b: CelValue): number {
  const [x, y] = [comparable(a), comparable(b)];
  if (x < y) return -1;
  return x > y ? 1 : 0;
}

function comparable(value: CelValue): Numeric | string {
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'string') return value;
  if (typeof value === 'boolean') return Number(value);
  if (isCelUint(value)) return value.value;
  throw new Error('no such overload');
}

function same(a: CelValue, b: CelValue): boolean {
  return a === b || text(a) === text(b);
}

/** Lists and maps that are equal have the same text. */
function text(value: CelValue): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'bigint') return Number(inner);
    return typeof inner === 'object' && inner !== null && Symbol.iterator in inner
      ? [...(inner as Iterable<unknown>)]
      : inner;
  });
}

function setFunctions(): CelFunc[] {
  const texts = (list: Iterable<CelValue>) => new Set([...list].map(text));
  return [
    celFunc('sets.contains', [LIST, LIST], BOOL, (list, part) => isSubset(texts(part), texts(list))),
    celFunc('sets.intersects', [LIST, LIST], BOOL, (a, b) => [...texts(a)].some((item) => texts(b).has(item))),
    celFunc('sets.equivalent', [LIST, LIST], BOOL, (a, b) => {
      const [x, y] = [texts(a), texts(b)];
      return isSubset(x, y) && isSubset(y, x);
    }),
  ];
}

function isSubset(part: ReadonlySet<string>, whole: ReadonlySet<string>): boolean {
  return [...part].every((item) => whole.has(item));
}

type Opaque = Iterable<readonly [unknown, unknown]>;

function opaque(kind: string, value: string): Map<string, string> {
  return new Map([
    ['kind', kind],
    ['value', value],
  ]);
}

/** The text of an opaque value. Throws when it is of another kind. */
function opaqueText(map: Opaque, kind: string): string {
  const fields = new Map(map);
  if (fields.get('kind') !== kind) throw new Error('no such overload');
  return String(fields.get('value'));
}

function addressFunctions(): CelFunc[] {
  const cidr = (map: Opaque): Cidr => parseCidr(opaqueText(map, 'cidr'))!;
  return [
    celFunc('isIP', [STRING], BOOL, (address) => parseIp(address) !== undefined),
    celFunc('ip', [STRING], OPAQUE, (address) => parsed('ip', address, parseIp(address))),
    celMethod('family', OPAQUE, [], INT, function () {
      return BigInt(parseIp(opaqueText(this as never, 'ip'))!.family);
    }),
    celFunc('isCIDR', [STRING], BOOL, (range) => parseCidr(range) !== undefined),
    celFunc('cidr', [STRING], OPAQUE, (range) => parsed('cidr', range, parseCidr(range))),
    celMethod('prefixLength', OPAQUE, [], INT, function () {
      return BigInt(cidr(this as never).prefix);
    }),
    celMethod('containsIP', OPAQUE, [STRING], BOOL, function (address) {
      const ip = parseIp(address);
      if (!ip) throw new Error(`IP Address "${address}" parse error during conversion from string`);
      return cidrContains(cidr(this as never), ip);
    }),
    celMethod('containsIP', OPAQUE, [OPAQUE], BOOL, function (address) {
      return cidrContains(cidr(this as never), parseIp(opaqueText(address as never, 'ip'))!);
    }),
  ];
}

function parsed(kind: string, given: string, value: unknown): Map<string, string> {
  if (value === undefined)
    throw new Error(`${kind} ${JSON.stringify(given)} parse error during conversion from string`);
  return opaque(kind, given);
}

function quantityFunctions(): CelFunc[] {
  const amount = (map: unknown): number => parseQuantity(opaqueText(map as Opaque, 'quantity'))!;
  return [
    celFunc('isQuantity', [STRING], BOOL, (given) => parseQuantity(given) !== undefined),
    celFunc('quantity', [STRING], OPAQUE, (given) => parsed('quantity', given, parseQuantity(given))),
    celMethod('isGreaterThan', OPAQUE, [OPAQUE], BOOL, function (other) {
      return amount(this) > amount(other);
    }),
    celMethod('isLessThan', OPAQUE, [OPAQUE], BOOL, function (other) {
      return amount(this) < amount(other);
    }),
    celMethod('compareTo', OPAQUE, [OPAQUE], INT, function (other) {
      return BigInt(Math.sign(amount(this) - amount(other)));
    }),
    celMethod('sign', OPAQUE, [], INT, function () {
      return BigInt(Math.sign(amount(this)));
    }),
    celMethod('isInteger', OPAQUE, [], BOOL, function () {
      return Number.isInteger(amount(this));
    }),
    celMethod('asInteger', OPAQUE, [], INT, function () {
      return BigInt(amount(this));
    }),
    celMethod('asApproximateFloat', OPAQUE, [], CelScalar.DOUBLE, function () {
      return amount(this);
    }),
  ];
}

function urlFunctions(): CelFunc[] {
  const part = (name: string, read: (url: URL) => string) =>
    celMethod(name, OPAQUE, [], STRING, function () {
      return read(new URL(opaqueText(this as never, 'url')));
    });
  return [
    celFunc('isURL', [STRING], BOOL, (given) => URL.canParse(given)),
    celFunc('url', [STRING], OPAQUE, (given) => parsed('url', given, URL.canParse(given) ? given : undefined)),
    part('getScheme', (url) => url.protocol.replace(/:$/, '')),
    part('getHost', (url) => url.host),
    part('getHostname', (url) => url.hostname.replace(/^\[|\]$/g, '')),
    part('getPort', (url) => url.port),
    part('getEscapedPath', (url) => url.pathname),
  ];
}
