import { type CelFunc, type CelInput, CelScalar, celFunc, celMethod, mapType } from '@bufbuild/cel';
import { hasFormat } from '../crd/formats.ts';
import { checkLabelValue, checkName, checkQualifiedName, type NameRule } from '../names.ts';

const { BOOL, DYN, STRING } = CelScalar;
const OPAQUE = mapType(STRING, DYN);

/** A value that may be missing, as expressions see it; undefined: it is. */
export function optionalValue(value: CelInput | undefined): ReadonlyMap<string, CelInput> {
  const fields: [string, CelInput][] = [['kind', 'optional']];
  return new Map(value === undefined ? fields : [...fields, ['value', value]]);
}

/** The functions of values that may be missing. */
export function optionalFunctions(): CelFunc[] {
  return [
    celFunc('optional.none', [], OPAQUE, () => optionalValue(undefined) as never),
    celFunc('optional.of', [DYN], OPAQUE, (value) => optionalValue(value) as never),
    celMethod('hasValue', OPAQUE, [], BOOL, function () {
      return this.has('value');
    }),
    celMethod('value', OPAQUE, [], DYN, function () {
      if (!this.has('value')) throw new Error('optional.none() dereference');
      return this.get('value') as never;
    }),
    celMethod('orValue', OPAQUE, [DYN], DYN, function (other) {
      return (this.has('value') ? this.get('value') : other) as never;
    }),
  ];
}

type Check = (text: string) => string[];

const named =
  (rule: NameRule): Check =>
  (text) =>
    checkName(text, rule);
/** A prefix of a name may end in a dash: something follows. */
const prefix =
  (rule: NameRule): Check =>
  (text) =>
    checkName(text.replace(/-$/, 'a'), rule);
const formatted =
  (format: string): Check =>
  (text) =>
    hasFormat(text, format) ? [] : [`invalid ${format}`];

/** Formats by their names in expressions. */
const FORMATS: Readonly<Record<string, Check>> = {
  dns1123Label: named('dns1123-label'),
  dns1123Subdomain: named('dns1123-subdomain'),
  dns1035Label: named('dns1035-label'),
  dns1123LabelPrefix: prefix('dns1123-label'),
  dns1123SubdomainPrefix: prefix('dns1123-subdomain'),
  dns1035LabelPrefix: prefix('dns1035-label'),
  qualifiedName: checkQualifiedName,
  labelValue: checkLabelValue,
  uri: formatted('uri'),
  uuid: formatted('uuid'),
  byte: formatted('byte'),
  date: formatted('date'),
  datetime: formatted('datetime'),
};

/** `format.dns1123Label().validate(text)`: nothing when the text has the format, else the rules that it breaks. */
export function formatFunctions(): CelFunc[] {
  const formatOf = (name: string) =>
    new Map([
      ['kind', 'format'],
      ['value', name],
    ]);
  return [
    ...Object.keys(FORMATS).map((name) => celFunc(`format.${name}`, [], OPAQUE, () => formatOf(name))),
    celFunc(
      'format.named',
      [STRING],
      OPAQUE,
      (name) => optionalValue(Object.hasOwn(FORMATS, name) ? formatOf(name) : undefined) as never,
    ),
    celMethod('validate', OPAQUE, [STRING], OPAQUE, function (text) {
      const check = this.get('kind') === 'format' ? FORMATS[String(this.get('value'))] : undefined;
      if (!check) throw new Error('no such overload');
      const broken = check(text);
      return optionalValue(broken.length === 0 ? undefined : broken) as never;
    }),
  ];
}
