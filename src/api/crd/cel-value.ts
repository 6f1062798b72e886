import type { CelInput } from '@bufbuild/cel';
import { create } from '@bufbuild/protobuf';
import { DurationSchema, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { toCel } from '../cel/program.ts';
import { isObject } from '../patch/merge.ts';
import { type JsonSchema, propertySchema } from './schema.ts';

const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return'.split(' '),
);

/** How expressions write a property's name that is no identifier of theirs; a `self` of every other name is as it is. */
export function celPropertyName(name: string): string {
  if (RESERVED.has(name)) return `__${name}__`;
  return name
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__');
}

/** A value as expressions see it: its schema says what is an integer, a time, a number. */
export function celValue(value: unknown, schema: JsonSchema | undefined): CelInput {
  if (!schema || value === null) return toCel(value);
  if (Array.isArray(value)) return value.map((item) => celValue(item, schema.items));
  if (isObject(value)) return celObject(value, schema);
  if (typeof value === 'string') return celString(value, schema.format);
  return schema.type === 'number' ? (value as number) : toCel(value);
}

function celObject(value: Record<string, unknown>, schema: JsonSchema): CelInput {
  const entries = Object.entries(value).map(([key, item]): [string, CelInput] => {
    const known = schema.properties && Object.hasOwn(schema.properties, key);
    return [known ? celPropertyName(key) : key, celValue(item, propertySchema(schema, key))];
  });
  return new Map(entries);
}

function celString(text: string, format: string | undefined): CelInput {
  if (format === 'date-time' || format === 'datetime' || format === 'date') {
    const ms = Date.parse(text);
    return Number.isNaN(ms) ? text : timestampFromMs(ms);
  }
  if (format === 'duration') return celDuration(text);
  return format === 'byte' ? Buffer.from(text, 'base64') : text;
}

const SECONDS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
};

function celDuration(text: string): CelInput {
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w)/g)];
  const sign = text.startsWith('-') ? -1 : 1;
  const seconds = sign * parts.reduce((sum, [, count, unit]) => sum + Number(count) * SECONDS[unit!]!, 0);
  const whole = Math.trunc(seconds);
  return create(DurationSchema, { seconds: BigInt(whole), nanos: Math.round((seconds - whole) * 1e9) });
}
