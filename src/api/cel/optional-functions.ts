import { type CelFunc, CelScalar, type CelValue, celFunc, celMap, celMethod, isCelList, isCelMap } from '@bufbuild/cel';
import { optionalValue } from './format-functions.ts';

const { DYN, STRING } = CelScalar;

/** Steps into values that may be missing, as expressions without `.?` and `[?` call them. */
export const selectFunctions: CelFunc[] = [
  celMethod('optSelect', DYN, [STRING], DYN, function (name) {
    return step(this, (value) => (isCelMap(value) ? value.get(name) : undefined));
  }),
  celMethod('optIndex', DYN, [DYN], DYN, function (key) {
    return step(this, (value) => element(value, key));
  }),
  celMethod('or', DYN, [DYN], DYN, function (other) {
    return isOptional(this) && this.has('value') ? this : other;
  }),
  celFunc('optional.ofNonZeroValue', [DYN], DYN, (value) => wrapped(isZero(value) ? undefined : value)),
];

function isOptional(value: CelValue): value is CelValue & ReadonlyMap<string, CelValue> {
  return isCelMap(value) && value.get('kind') === 'optional';
}

function wrapped(value: CelValue | undefined) {
  return celMap(optionalValue(value));
}

/** One step; from what is missing it leads nowhere. */
function step(target: CelValue, into: (value: CelValue) => CelValue | undefined) {
  if (!isOptional(target)) return wrapped(into(target));
  return wrapped(target.has('value') ? into(target.get('value')!) : undefined);
}

function element(value: CelValue, key: CelValue): CelValue | undefined {
  if (isCelMap(value)) return value.get(key as string);
  return isCelList(value) && typeof key === 'bigint' ? [...value][Number(key)] : undefined;
}

function isZero(value: CelValue): boolean {
  if (isCelMap(value) || isCelList(value)) return value.size === 0;
  return value === null || value === 0n || value === 0 || value === '' || value === false;
}
