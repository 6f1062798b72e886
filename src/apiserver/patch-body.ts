import { ApiError, badRequest } from '../api/errors.ts';
import { jsonPatch } from '../api/patch/json.ts';
import { isObject, mergePatch } from '../api/patch/merge.ts';
import { strategicMergePatch } from '../api/patch/strategic.ts';
import { mediaType, parseText, readBody, readYaml } from './decode.ts';
import type { ApiServerOptions } from './options.ts';
import type { ApiRequest } from './request.ts';

/** From the current state to the wanted one; changes no argument. */
export type Change = (current: object) => object;

/** A body that replaces what is there. Throws BadRequest. */
export async function readReplacement(
  request: ApiRequest,
  options: Pick<ApiServerOptions, 'decoders'>,
): Promise<Change> {
  const body = await readBody(request, options.decoders ?? {});
  if (!isObject(body)) throw badRequest('the body must be a JSON object');
  return () => body;
}

export const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];

const CUSTOM_PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/apply-patch+yaml',
];

/**
 * A JSON patch, merge patch or strategic merge patch; the last one only of types that are known. Throws
 * UnsupportedMediaType and BadRequest.
 */
export async function readPatch(request: ApiRequest, typeName: string | undefined): Promise<Change> {
  const type = mediaType(request.headers['content-type']);
  const accepted = typeName === undefined ? CUSTOM_PATCH_TYPES : PATCH_TYPES;
  if (!accepted.includes(type)) {
    const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`;
    throw new ApiError('UnsupportedMediaType', message);
  }
  const patch = parseText(await request.body(), (text) =>
    text.trimStart().startsWith('{') || text.trimStart().startsWith('[') ? JSON.parse(text) : readYaml(text),
  );
  if (type === PATCH_TYPES[0]) return (current) => jsonPatch(current, patch);
  if (!isObject(patch)) throw badRequest('the patch must be a JSON object');
  if (type === PATCH_TYPES[1]) return (current) => mergePatch(current, patch) as object;
  return (current) => strategicMergePatch(current, patch, typeName!);
}
