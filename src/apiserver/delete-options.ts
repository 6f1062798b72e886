import { badRequest, invalid } from '../api/errors.ts';
import { type FieldError, invalidValue, notSupported } from '../api/field-error.ts';
import { isObject } from '../api/patch/merge.ts';
import { checkFields } from '../api/schema.ts';
import { type BodyDecoder, readBody } from './decode.ts';
import { parseInteger, parseWriteQuery } from './query.ts';
import type { ApiRequest } from './request.ts';
import type { DeleteOptions } from './verbs/delete.ts';

const POLICIES = ['Foreground', 'Background', 'Orphan', 'nil'];

/** The options of a delete: a body, or parameters of the query. Throws BadRequest and Invalid. */
export async function readDeleteOptions(
  request: ApiRequest,
  decoders: Readonly<Record<string, BodyDecoder>>,
): Promise<DeleteOptions> {
  const { query } = request;
  const body = (await request.body()).length > 0 ? await readBody(request, decoders) : {};
  return checkDeleteOptions({ ...toDeleteOptions(body), ...fromQuery(query) });
}

/** Throws BadRequest for what is none. */
export function toDeleteOptions(body: unknown): DeleteOptions {
  if (!isObject(body)) throw badRequest('the body must be DeleteOptions');
  const [wrong] = checkFields('meta/v1.DeleteOptions', body).wrongTypes;
  if (wrong) throw badRequest(`DeleteOptions in version "v1" cannot be handled as a DeleteOptions: ${wrong}`);
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null)) as DeleteOptions;
}

function fromQuery(query: URLSearchParams): DeleteOptions {
  const { dryRun } = parseWriteQuery(query, 'DeleteOptions');
  const gracePeriodSeconds = parseInteger(query.get('gracePeriodSeconds'));
  const propagationPolicy = query.get('propagationPolicy') ?? '';
  const orphan = query.get('orphanDependents');
  return {
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy === '' ? {} : { propagationPolicy }),
    ...(orphan === null ? {} : { orphanDependents: orphan !== 'false' && orphan !== '0' }),
    ...(dryRun ? { dryRun: ['All'] } : {}),
  };
}

/** Throws Invalid. */
export function checkDeleteOptions(options: DeleteOptions): DeleteOptions {
  const { propagationPolicy, orphanDependents, dryRun = [] } = options;
  const errors: FieldError[] = dryRun
    .filter((value) => value !== 'All')
    .map((value) => notSupported('dryRun', value, ['All']));
  if (propagationPolicy !== undefined && !POLICIES.slice(0, 3).includes(propagationPolicy))
    errors.push(notSupported('propagationPolicy', propagationPolicy, POLICIES));
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    const why = 'orphanDependents and deletionPropagation cannot be both set';
    errors.push(invalidValue('propagationPolicy', propagationPolicy, why));
  }
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
  return options;
}
