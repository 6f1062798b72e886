import { ageColumn, column, firstFew, nameColumn } from '../columns.ts';
import { type FieldError, requiredValue } from '../field-error.ts';
import { portNumber, supported } from '../pod/validation.ts';
import type { Resource } from '../resource.ts';
import { validateEndpointIp } from '../service/address.ts';
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
    (subset[list] ?? []).flatMap((address, index) => validateEndpointIp(address.ip, `${path}.${list}[${index}].ip`)),
  );
  const several = (subset.ports ?? []).length > 1;
  const ports = (subset.ports ?? []).flatMap((port, index) => [
    ...(several && !port.name ? [requiredValue(`${path}.ports[${index}].name`)] : []),
    ...portNumber(port.port, `${path}.ports[${index}].port`),
    ...supported(port.protocol, { path: `${path}.ports[${index}].protocol`, values: ['SCTP', 'TCP', 'UDP'] }),
  ]);
  return [...ips, ...ports];
}
