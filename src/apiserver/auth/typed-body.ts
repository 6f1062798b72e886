import { badRequest } from '../../api/errors.ts';
import { isObject } from '../../api/patch/merge.ts';
import { checkFields, typeNameOf } from '../../api/schema.ts';
import { type BodyDecoder, readBody } from '../decode.ts';
import type { ApiRequest } from '../request.ts';

/** The body as an object of a kind that is never stored, nulls left out. Throws BadRequest when fields have wrong types. */
export async function readTyped(
  request: ApiRequest,
  decoders: Readonly<Record<string, BodyDecoder>>,
  { group, kind }: { group: string; kind: string },
): Promise<object> {
  const body = withoutNulls(await readBody(request, decoders));
  const cannot = `${kind} in version "v1" cannot be handled as a ${kind}`;
  if (!isObject(body)) throw badRequest(`${cannot}: the body must be a JSON object`);
  const [wrong] = checkFields(typeNameOf({ group, version: 'v1', kind }), body).wrongTypes;
  if (wrong !== undefined) throw badRequest(`${cannot}: ${wrong}`);
  return body;
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== null).map(withoutNulls);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutNulls(item)]));
}
