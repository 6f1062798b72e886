import { parseIp } from '../../lib/ip.ts';
import { type FieldError, invalidValue } from '../field-error.ts';

export const IP_DETAIL = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

const RESERVED: readonly (readonly [RegExp, (ip: string) => string])[] = [
  [/^(0\.0\.0\.0|::)$/, (ip) => `may not be unspecified (${ip})`],
  [/^(127\.|::1$)/, () => 'may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  [/^(169\.254\.|fe[89ab])/i, () => 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
  [/^(224\.0\.0\.|ff02:)/i, () => 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
];

/** An address that traffic is sent to may not be the node itself or its link. */
export function validateEndpointIp(ip: string, field: string): FieldError[] {
  if (!parseIp(ip)) return [invalidValue(field, ip, IP_DETAIL)];
  const broken = RESERVED.filter(([pattern]) => pattern.test(ip));
  return broken.map(([, detail]) => invalidValue(field, ip, detail(ip)));
}
