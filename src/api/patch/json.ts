import jsonpatch from 'fast-json-patch';
import { ApiError, badRequest } from '../errors.ts';

/** RFC 6902. Returns a new document; throws BadRequest for a malformed patch and Invalid for one that does not apply. */
export function jsonPatch(document: object, patch: unknown): object {
  if (!Array.isArray(patch)) {
    throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  }
  try {
    return jsonpatch.applyPatch(structuredClone(document), patch, true, false, true).newDocument;
  } catch (error) {
    throw new ApiError(
      'Invalid',
      `the server rejected our request due to an error in our request: ${firstLine(error)}`,
    );
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
