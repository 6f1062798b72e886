import { parseIp } from '../../lib/ip.ts';
import { ageColumn, column, firstFew, nameColumn } from '../columns.ts';
import { type FieldError, invalidValue, requiredValue } from '../field-error.ts';
import { portNumber, supported } from '../pod/validation.ts';
import type { Resource } from '../resource.ts';
import type { Endpoints } from '../types.ts';

type Subset = NonNullable<Endpoints['subsets']>[number];

export const endpoints: Resource<Endpoints> = {
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  singular: 'endpoints',
  shortNames: ['ep'],
  categories: [],
  namespaced: true,
  status: false,
  generation: false,
  fieldSelectors: {},
  columns: [
    nameColumn,
    column('Endpoints', (object) => firstFew((object.subsets ?? []).flatMap(addresses), { count: 3, none: '<none>' })),
    ageColumn,
  ],
  setDefaults(object) {
    for (const subset of object.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ??= 'TCP';
  },
  validate: (object) => (object.subsets ?? []).flatMap((subset, index) => validateSubset(subset, `subsets[${index}]`)),
};

function addresses(subset: Subset): string[] {
  const ports = subset.ports ?? [];
  const ips = (subset.addresses ?? []).map((address) => address.ip);
  if (ports.length === 0) return ips;
  return ports.flatMap((port) => ips.map((ip) => (ip.includes(':') ? `[${ip}]:${port.port}` : `${ip}:${port.port}`)));
}

function validateSubset(subset: Subset, path: string): FieldError[] {
  const lists = ['addresses', 'notReadyAddresses'] as const;
  if (lists.every((list) => !subset[list]?.length)) {
    return [requiredValue(path, 'must specify `addresses` or `notReadyAddresses`')];
  }
  const ips = lists.flatMap((list) =>
    (subset[list] ?? []).flatMap((address, index) => validateAddress(address.ip, `${path}.${list}[${index}].ip`)),
  );
  const several = (subset.ports ?? []).length > 1;
  const ports = (subset.ports ?? []).flatMap((port, index) => [
    ...(several && !port.name ? [requiredValue(`${path}.ports[${index}].name`)] : []),
    ...portNumber(port.port, `${path}.ports[${index}].port`),
    ...supported(port.protocol, { path: `${path}.ports[${index}].protocol`, values: ['SCTP', 'TCP', 'UDP'] }),
  ]);
  return [...ips, ...ports];
}

/** An endpoint may not be the node itself or its link. */
function validateAddress(ip: string, field: string): FieldError[] {
  if (!parseIp(ip)) return [invalidValue(field, ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];
  const rules: [RegExp, string][] = [
    [/^(0\.0\.0\.0|::)$/, `may not be unspecified (${ip})`],
    [/^(127\.|::1$)/, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    [/^(169\.254\.|fe[89ab])/i, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
    [/^(224\.0\.0\.|ff02:)/i, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
  ];
  return rules.filter(([pattern]) => pattern.test(ip)).map(([, detail]) => invalidValue(field, ip, detail));
}
