import { type Answer, decode, encode, type Packet } from 'dns-packet';
import type { Service } from '../api/types.ts';
import { type AddressPlan, loopbackOf } from './frontends.ts';

const TTL_SECONDS = 5;
const RESPONSE = { authoritative: 1 << 10, nameError: 3, refused: 5 } as const;

export interface NameOptions {
  /** `sampan.local`: names are `<service>.<namespace>.sampan.local`. */
  readonly domain: string;
  readonly plan: AddressPlan;
  readonly find: (name: string, namespace: string) => Service | undefined;
}

/** Answers a DNS query of the machine with the loopback address of a Service. Undefined for what is no query. */
export function answerQuery(message: Buffer, options: NameOptions): Buffer | undefined {
  const query = parse(message);
  const question = query?.questions?.[0];
  if (query?.type !== 'query' || !question) return undefined;
  const answer = (rcode: number, answers: Answer[]) =>
    encode({
      type: 'response',
      id: query.id,
      flags: RESPONSE.authoritative | rcode,
      questions: [question],
      answers,
    } as Packet);
  const labels = relativeLabels(question.name, options.domain);
  if (!labels) return answer(RESPONSE.refused, []);
  const address = addressOf(labels, options);
  if (!address) return answer(RESPONSE.nameError, []);
  const isAddress = question.type === 'A' || (question.type as string) === 'ANY';
  return answer(0, isAddress ? [{ type: 'A', name: question.name, ttl: TTL_SECONDS, data: address }] : []);
}

function parse(message: Buffer): ReturnType<typeof decode> | undefined {
  try {
    return decode(message);
  } catch {
    return undefined;
  }
}

function relativeLabels(name: string, domain: string): string[] | undefined {
  const lower = name.toLowerCase().replace(/\.$/, '');
  return lower.endsWith(`.${domain}`) ? lower.slice(0, -domain.length - 1).split('.') : undefined;
}

/** A load balancer address goes before the cluster IP: it is what the world outside would use. */
function addressOf(labels: readonly string[], { find, plan }: NameOptions): string | undefined {
  const [name, namespace, more] = labels;
  if (!name || !namespace || more !== undefined) return undefined;
  const service = find(name, namespace);
  const balanced = service?.status?.loadBalancer?.ingress?.find(({ ip }) => ip)?.ip;
  const ip = balanced ?? service?.spec?.clusterIP;
  return ip && loopbackOf(plan, ip);
}
