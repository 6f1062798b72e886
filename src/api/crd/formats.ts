import { parseCidr, parseIp } from '../../lib/ip.ts';
import { checkName } from '../names.ts';

const UUID = (version: string) => new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i');
const HOSTNAME = /^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*\.?$/i;
const EMAIL = /^[^\s@<>()[\],;:"]+@[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/i;
const DATE = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/;
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:?\d{2})$/;
const DURATION = /^-?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w))*$/;
const BASE64 = /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The formats of strings that are checked; a format that is not here accepts every string, as unknown ones do. */
const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  bsonobjectid: (text) => /^[0-9a-f]{24}$/i.test(text),
  byte: (text) => BASE64.test(text),
  cidr: (text) => parseCidr(text) !== undefined,
  date: (text) => DATE.test(text) && !Number.isNaN(Date.parse(text)),
  'date-time': (text) => DATE_TIME.test(text) && !Number.isNaN(Date.parse(text.replace(' ', 'T'))),
  datetime: (text) => DATE_TIME.test(text) && !Number.isNaN(Date.parse(text.replace(' ', 'T'))),
  duration: (text) => text === '0' || DURATION.test(text),
  email: (text) => EMAIL.test(text),
  hexcolor: (text) => /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.test(text),
  hostname: (text) => text.length <= 253 && HOSTNAME.test(text),
  ipv4: (text) => parseIp(text)?.family === 4,
  ipv6: (text) => parseIp(text)?.family === 6,
  'k8s-long-name': (text) => checkName(text, 'dns1123-subdomain').length === 0,
  'k8s-short-name': (text) => checkName(text, 'dns1123-label').length === 0,
  mac: (text) => /^([0-9a-f]{2}([:-]|$)){6}$/i.test(text),
  rgbcolor: (text) => /^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/i.test(text),
  uri: (text) => URL.canParse(text) || text.startsWith('/'),
  uuid: (text) => UUID('[0-9a-f]{4}').test(text),
  uuid3: (text) => UUID('3[0-9a-f]{3}').test(text),
  uuid4: (text) => UUID('4[0-9a-f]{3}').test(text),
  uuid5: (text) => UUID('5[0-9a-f]{3}').test(text),
};

/** Whether a string has the named format of a schema. */
export function hasFormat(text: string, format: string): boolean {
  return Object.hasOwn(FORMATS, format) ? FORMATS[format]!(text) : true;
}

const NUMBERS: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [-(2 ** 63), 2 ** 63 - 1],
  float: [-3.4028234663852886e38, 3.4028234663852886e38],
};

/** Whether a number is in the range of the named format. */
export function inFormatRange(value: number, format: string | undefined): boolean {
  if (format === undefined || !Object.hasOwn(NUMBERS, format)) return true;
  const [least, greatest] = NUMBERS[format]!;
  return value >= least && value <= greatest;
}
