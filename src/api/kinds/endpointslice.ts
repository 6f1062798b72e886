import { parseIp } from '../../lib/ip.ts';
import { ageColumn, column, firstFew, nameColumn } from '../columns.ts';
import { type FieldError, invalidValue, requiredValue } from '../field-error.ts';
import { supported } from '../pod/validation.ts';
import type { Resource } from '../resource.ts';
import type { EndpointSlice } from '../types.ts';

export const endpointSlices: Resource<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  singular: 'endpointslice',
  shortNames: [],
  categories: [],
  namespaced: true,
  status: false,
  generation: true,
  fieldSelectors: {},
  columns: [
    nameColumn,
    column('AddressType', (slice) => slice.addressType),
    column('Ports', (slice) =>
      firstFew(
        (slice.ports ?? []).map((port) => String(port.port ?? (port.name || '*'))),
        { count: 3, none: '<unset>' },
      ),
    ),
    column('Endpoints', (slice) =>
      firstFew(
        (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses),
        { count: 3, none: '<unset>' },
      ),
    ),
    ageColumn,
  ],
  setDefaults(slice) {
    for (const port of slice.ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  validate: (slice) => [
    ...(slice.addressType
      ? supported(slice.addressType, { path: 'addressType', values: ['FQDN', 'IPv4', 'IPv6'] })
      : [requiredValue('addressType')]),
    ...validateEndpoints(slice),
  ],
  validateUpdate: (slice, old) =>
    slice.addressType === old.addressType ? [] : [invalidValue('addressType', slice.addressType, 'field is immutable')],
};

function validateEndpoints(slice: EndpointSlice): FieldError[] {
  const family = { IPv4: 4, IPv6: 6 }[slice.addressType as string];
  return (slice.endpoints ?? []).flatMap((endpoint, index) => {
    const path = `endpoints[${index}].addresses`;
    if (!endpoint.addresses?.length) return [requiredValue(path, 'must contain at least 1 address')];
    if (family === undefined) return [];
    const bad = endpoint.addresses.filter((address) => parseIp(address)?.family !== family);
    return bad.map((address) => invalidValue(path, address, `must be a valid ${slice.addressType} address`));
  });
}
