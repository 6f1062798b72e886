import type { IncomingMessage } from 'node:http';
import { ApiError, badRequest, invalid } from '../../api/errors.ts';
import { type FieldError, forbidden, invalidValue } from '../../api/field-error.ts';
import type { Pod } from '../../api/types.ts';
import type { ApiResponse } from '../request.ts';
import { type Agents, readText } from './agent.ts';
import { chooseContainer, type FindObject, findNode, flag } from './pod.ts';

export interface LogOptions {
  find: FindObject;
  agents: Agents;
}

export interface LogRequest {
  readonly pod: Pod;
  /** `core/v1 PodLogOptions` */
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
}

/** GET `pods/{name}/log`: the agent's stream, as plain text. Throws Kubernetes' errors for pods and containers without logs. */
export async function podLogs(options: LogOptions, request: LogRequest): Promise<ApiResponse> {
  const { pod } = request;
  const { namespace = '', name } = pod.metadata;
  const container = chooseContainer(pod, request.query.get('container') ?? '');
  const query = agentQuery(request.query, name);
  if (!pod.spec?.nodeName) return plainText('');
  const node = findNode(options.find, pod);
  const path = `/containerLogs/${[namespace, name, container].map(encodeURIComponent).join('/')}${query.size > 0 ? `?${query}` : ''}`;
  const answer = await options.agents.get(node, path, request.signal);
  if (answer.statusCode !== 200) throw await refusal(answer, pod, container);
  return plainText(untilGone(answer));
}

function plainText(body: ApiResponse['body']): ApiResponse {
  return { status: 200, headers: { 'content-type': 'text/plain' }, body };
}

/** When the agent goes away in the middle, the log simply ends. */
async function* untilGone(answer: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* answer as AsyncIterable<Buffer>;
  } catch {
    answer.destroy();
  }
}

const NUMBERS = ['sinceSeconds', 'tailLines', 'limitBytes'] as const;

function agentQuery(query: URLSearchParams, name: string): URLSearchParams {
  const errors = NUMBERS.flatMap((field) => checkNumber(field, query.get(field)));
  if (query.has('sinceSeconds') && query.has('sinceTime')) {
    errors.push(forbidden('sinceSeconds', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  }
  if (errors.length > 0) throw invalid({ group: '', kind: 'PodLogOptions' }, name, errors);
  const result = new URLSearchParams();
  for (const field of [...NUMBERS, 'sinceTime']) {
    const value = query.get(field);
    if (value !== null && value !== '') result.set(field, value);
  }
  for (const field of ['follow', 'timestamps', 'previous']) if (flag(query, field)) result.set(field, 'true');
  return result;
}

function checkNumber(field: (typeof NUMBERS)[number], text: string | null): FieldError[] {
  if (text === null || text === '') return [];
  if (!/^-?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const value = Number(text);
  if (field === 'tailLines') return value < 0 ? [invalidValue(field, value, 'must be greater than or equal to 0')] : [];
  return value < 1 ? [invalidValue(field, value, 'must be greater than 0')] : [];
}

async function refusal(answer: IncomingMessage, pod: Pod, container: string): Promise<ApiError> {
  const text = await readText(answer);
  const waiting = waitingText(pod, container);
  const status = answer.statusCode ?? 500;
  if (status === 400) return badRequest(text);
  if (waiting !== undefined) return badRequest(waiting);
  if (status === 404) return new ApiError('NotFound', text);
  return new ApiError('InternalError', `Internal error occurred: ${text}`);
}

const WAITING_TEXTS: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
};

/** Why a container that has not started yet has no logs; undefined for one that has. */
function waitingText(pod: Pod, container: string): string | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const all = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses];
  const found = all.find(({ name }) => name === container);
  if (found && !found.state?.waiting) return undefined;
  const reason = found?.state?.waiting?.reason ?? 'ContainerCreating';
  const about = `container ${JSON.stringify(container)} in pod ${JSON.stringify(pod.metadata.name)}`;
  return `${about} is waiting to start: ${WAITING_TEXTS[reason] ?? reason}`;
}
