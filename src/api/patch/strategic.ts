import { badRequest } from '../errors.ts';
import { type FieldSchema, fieldOf } from '../schema.ts';
import { isObject, plainCopy, setOwn } from './merge.ts';

type JsonObject = Record<string, unknown>;

const PATCH_DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const SET_ORDER = '$setElementOrder/';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';

/**
 * Kubernetes' strategic merge patch: like a merge patch, but lists with a merge key are merged item by item.
 * Returns a new document and changes neither argument. `typeName` is the document's type in the schema.
 */
export function strategicMergePatch(document: object, patch: unknown, typeName: string): object {
  if (!isObject(patch)) throw badRequest('cannot unmarshal the patch: it must be a JSON object');
  return mergeObject(document as JsonObject, patch, typeName);
}

function mergeObject(target: JsonObject, patch: JsonObject, typeName: string | undefined): JsonObject {
  const directive = patch[PATCH_DIRECTIVE];
  if (directive === 'replace') return strip(patch);
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') throw badRequest(`Unknown patch type: ${String(directive)}`);
  const result = retained(plainCopy(target), patch[RETAIN_KEYS]);
  for (const [key, value] of Object.entries(patch)) {
    if (key === PATCH_DIRECTIVE || key === RETAIN_KEYS) continue;
    if (key.startsWith(SET_ORDER)) continue;
    if (key.startsWith(DELETE_PRIMITIVES)) removePrimitives(result, key.slice(DELETE_PRIMITIVES.length), value);
    else mergeField(result, { key, value, schema: fieldOf(typeName, key) });
  }
  reorder(result, patch, typeName);
  return result;
}

function mergeField(result: JsonObject, field: { key: string; value: unknown; schema: FieldSchema | undefined }): void {
  const { key, value, schema } = field;
  const current = Object.hasOwn(result, key) ? result[key] : undefined;
  if (value === null) delete result[key];
  else if (isObject(value)) setOwn(result, key, mergeObject(isObject(current) ? current : {}, value, schema?.type));
  else if (Array.isArray(value)) setOwn(result, key, mergeList(Array.isArray(current) ? current : [], value, schema));
  else setOwn(result, key, value);
}

function mergeList(current: unknown[], patch: unknown[], schema: FieldSchema | undefined): unknown[] {
  if (schema?.patchStrategy !== 'merge') return patch.map(stripAny);
  if (schema.mergeKey === undefined) return [...current, ...patch.filter((item) => !current.includes(item))];
  return mergeKeyedList(current, patch, { mergeKey: schema.mergeKey, type: schema.type });
}

function mergeKeyedList(current: unknown[], patch: unknown[], by: { mergeKey: string; type?: string }): unknown[] {
  const items = patch.filter(isObject);
  if (items.length !== patch.length) throw badRequest('the patch has a list item that is not an object');
  if (items.some((item) => item[PATCH_DIRECTIVE] === 'replace')) {
    return items.filter((item) => item[PATCH_DIRECTIVE] !== 'replace').map(strip);
  }
  let result = [...current];
  for (const item of items) {
    const key = item[by.mergeKey];
    if (key === undefined)
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${by.mergeKey}`);
    const at = result.findIndex((other) => isObject(other) && other[by.mergeKey] === key);
    if (item[PATCH_DIRECTIVE] === 'delete') result = result.filter((_, index) => index !== at);
    else if (at < 0) result.push(mergeObject({}, item, by.type));
    else result[at] = mergeObject(result[at] as JsonObject, item, by.type);
  }
  return result;
}

/** `$setElementOrder/<list>`: items named there come in that order; the others keep their place around them. */
function reorder(result: JsonObject, patch: JsonObject, typeName: string | undefined): void {
  for (const [directive, order] of Object.entries(patch)) {
    if (!directive.startsWith(SET_ORDER) || !Array.isArray(order)) continue;
    const key = directive.slice(SET_ORDER.length);
    const list = result[key];
    if (!Array.isArray(list)) continue;
    const mergeKey = fieldOf(typeName, key)?.mergeKey;
    const identity = (item: unknown) => (mergeKey !== undefined && isObject(item) ? item[mergeKey] : item);
    setOwn(result, key, ordered(list, order.map(identity), identity));
  }
}

function ordered(list: unknown[], order: unknown[], identity: (item: unknown) => unknown): unknown[] {
  const named = [...new Set(order)].flatMap((key) => list.filter((item) => identity(item) === key));
  const others = list.map((item, index) => ({ item, index })).filter(({ item }) => !order.includes(identity(item)));
  const result = [...named];
  for (const { item, index } of others) result.splice(Math.min(index, result.length), 0, item);
  return result;
}

function removePrimitives(result: JsonObject, key: string, values: unknown): void {
  const list = result[key];
  if (Array.isArray(list) && Array.isArray(values))
    setOwn(
      result,
      key,
      list.filter((item) => !values.includes(item)),
    );
}

function retained(target: JsonObject, keys: unknown): JsonObject {
  if (!Array.isArray(keys)) return target;
  return Object.fromEntries(Object.entries(target).filter(([key]) => keys.includes(key)));
}

function strip(value: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    if (key !== PATCH_DIRECTIVE && key !== RETAIN_KEYS && item !== null) setOwn(result, key, stripAny(item));
  }
  return result;
}

function stripAny(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripAny);
  return isObject(value) ? strip(value) : value;
}
