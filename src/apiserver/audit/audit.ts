import { randomUUID } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import { impersonatorOf } from '../auth/impersonate.ts';
import { type BodyDecoder, readBody } from '../decode.ts';
import { type Filter, isLongRunning, type RequestInfo } from '../filter.ts';
import type { ApiRequest, ApiResponse, UserInfo } from '../request.ts';
import type { AuditPolicy, Level, Stage } from './policy.ts';

export interface AuditOptions {
  clock: Clock;
  policy: AuditPolicy;
  /** Takes one line of JSON, without its end. */
  write: (line: string) => void;
  decoders?: Readonly<Record<string, BodyDecoder>>;
}

/** Kinds whose bodies hold secrets: nothing of them beyond Metadata is ever written, whatever the policy says. */
const SECRET = ['secrets', 'tokenreviews', 'serviceaccounts/token'];

/** Writes `audit.k8s.io/v1 Event`s of requests, as the policy says. */
export function createAudit(options: AuditOptions): Filter {
  return async (request, info, next) => {
    const { level: wanted, omitStages } = options.policy(request.user, info.attributes);
    if (wanted === 'None') return next(request);
    const level = withoutSecrets(wanted, info);
    const received = options.clock.now();
    const base = { ...eventOf(request, info, { level, received }), ...(await requestPart(options, request, level)) };
    const write = (stage: Stage, more: object = {}) => {
      if (omitStages.includes(stage)) return;
      options.write(JSON.stringify({ ...base, stage, ...more, stageTimestamp: micros(options.clock.now()) }));
    };
    write('RequestReceived');
    const response = await next(request);
    const answered = { responseStatus: statusOf(response, holdsSecrets(info)), ...responsePart(response, level) };
    write(isLongRunning(info) && response.status < 300 ? 'ResponseStarted' : 'ResponseComplete', answered);
    return { ...response, headers: { ...response.headers, 'audit-id': base.auditID } };
  };
}

function withoutSecrets(level: Level, info: RequestInfo): Level {
  return holdsSecrets(info) ? 'Metadata' : level;
}

function holdsSecrets({ attributes }: RequestInfo): boolean {
  const what =
    'path' in attributes
      ? (attributes.path.split('/').at(-1) ?? '')
      : [attributes.resource, attributes.subresource].filter(Boolean).join('/');
  return SECRET.includes(what) || what.startsWith('secrets/');
}

function eventOf(request: ApiRequest, { attributes, target }: RequestInfo, at: { level: Level; received: number }) {
  const { user, path, query } = request;
  const impersonator = impersonatorOf(user);
  const text = query.toString();
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: at.level,
    auditID: randomUUID(),
    requestURI: text === '' ? path : `${path}?${text}`,
    verb: attributes.verb,
    user: shown(impersonator ?? user),
    ...(impersonator ? { impersonatedUser: shown(user) } : {}),
    ...(request.remoteAddress ? { sourceIPs: [request.remoteAddress] } : {}),
    ...(request.headers['user-agent'] ? { userAgent: request.headers['user-agent'] } : {}),
    ...(target && !('path' in attributes)
      ? {
          objectRef: compact({
            resource: attributes.resource,
            namespace: attributes.namespace,
            name: attributes.name,
            apiGroup: attributes.group,
            apiVersion: target.resource.version,
            subresource: attributes.subresource,
          }),
        }
      : {}),
    requestReceivedTimestamp: micros(at.received),
  };
}

function shown({ username, uid, groups, extra }: UserInfo): object {
  return { username, ...(uid ? { uid } : {}), groups, ...(extra ? { extra } : {}) };
}

function compact(fields: Readonly<Record<string, string>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
}

/** A body that can not be read is for the handler to refuse. */
async function requestPart({ decoders = {} }: AuditOptions, request: ApiRequest, level: Level): Promise<object> {
  if (level === 'Metadata' || request.method === 'GET') return {};
  try {
    if ((await request.body()).length === 0) return {};
    const patch = request.headers['content-type']?.includes('patch');
    const headers = patch ? { ...request.headers, 'content-type': 'application/yaml' } : request.headers;
    return { requestObject: await readBody({ ...request, headers }, decoders) };
  } catch {
    return {};
  }
}

interface StatusBody {
  readonly kind?: string;
  readonly status?: unknown;
  readonly reason?: string;
  readonly message?: string;
}

/** A message may quote what was sent. */
function statusOf({ status: code, body }: ApiResponse, secret: boolean): object {
  const parsed = code >= 400 && typeof body === 'string' ? (parsedJson(body) as StatusBody | undefined) : undefined;
  const { status, reason, message } = parsed?.kind === 'Status' ? parsed : {};
  return {
    metadata: {},
    ...(typeof status === 'string' ? { status } : {}),
    ...(message && !secret ? { message } : {}),
    ...(reason ? { reason } : {}),
    code,
  };
}

function responsePart({ body }: ApiResponse, level: Level): object {
  const object = level === 'RequestResponse' && typeof body === 'string' ? parsedJson(body) : undefined;
  return object === undefined ? {} : { responseObject: object };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `2026-01-02T03:04:05.678000Z` */
function micros(epochMs: number): string {
  return new Date(epochMs).toISOString().replace('Z', '000Z');
}
