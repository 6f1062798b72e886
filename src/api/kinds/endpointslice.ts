import { parseIp } from '../../lib/ip.ts';
import { ageColumn, column, firstFew, nameColumn } from '../columns.ts';
import { duplicateValue, type FieldError, invalidValue, requiredValue } from '../field-error.ts';
import { checkName, checkQualifiedName } from '../names.ts';
import { supported } from '../pod/validation.ts';
import type { Resource } from '../resource.ts';
import { validateEndpointIp } from '../service/address.ts';
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
    ...validatePorts(slice),
  ],
  validateUpdate: (slice, old) =>
    slice.addressType === old.addressType ? [] : [invalidValue('addressType', slice.addressType, 'field is immutable')],
};

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

const LIMITS = { endpoints: 1000, addresses: 100, ports: 20_000 };

function tooMany(field: string, { count, max }: { count: number; max: number }): FieldError[] {
  if (count <= max) return [];
  return [{ type: 'FieldValueTooMany', field, message: `Too many: ${count}: must have at most ${max} items` }];
}

function validateEndpoints(slice: EndpointSlice): FieldError[] {
  const endpoints = slice.endpoints ?? [];
  const many = tooMany('endpoints', { count: endpoints.length, max: LIMITS.endpoints });
  if (many.length > 0) return many;
  return endpoints.flatMap((endpoint, index) =>
    validateEndpoint(endpoint, { path: `endpoints[${index}]`, type: slice.addressType }),
  );
}

function validateEndpoint(endpoint: Endpoint, { path, type }: { path: string; type: string }): FieldError[] {
  const { addresses = [], nodeName, hostname } = endpoint;
  const field = `${path}.addresses`;
  const none = addresses.length === 0 ? [requiredValue(field, 'must contain at least 1 address')] : [];
  const node = nodeName ? checkName(nodeName, 'dns1123-subdomain') : [];
  const host = hostname ? checkName(hostname, 'dns1123-label') : [];
  return [
    ...none,
    ...tooMany(field, { count: addresses.length, max: LIMITS.addresses }),
    ...addresses.flatMap((address, index) => validateAddress(address, { field: `${field}[${index}]`, type })),
    ...node.map((text) => invalidValue(`${path}.nodeName`, nodeName, text)),
    ...host.map((text) => invalidValue(`${path}.hostname`, hostname, text)),
  ];
}

function validateAddress(address: string, { field, type }: { field: string; type: string }): FieldError[] {
  if (type !== 'IPv4' && type !== 'IPv6') return [];
  const family = parseIp(address)?.family;
  if (family !== undefined && `IPv${family}` !== type)
    return [invalidValue(field, address, `must be an ${type} address`)];
  return validateEndpointIp(address, field);
}

function validatePorts(slice: EndpointSlice): FieldError[] {
  const ports = slice.ports ?? [];
  const names = ports.map((port) => port.name ?? '');
  const errors = ports.flatMap((port, index) => {
    const path = `ports[${index}]`;
    const name = port.name ? checkName(port.name, 'dns1123-label') : [];
    const protocol = port.appProtocol ? checkQualifiedName(port.appProtocol) : [];
    return [
      ...name.map((text) => invalidValue(`${path}.name`, port.name, text)),
      ...(names.indexOf(names[index]!) < index ? [duplicateValue(`${path}.name`, names[index])] : []),
      ...supported(port.protocol, { path: `${path}.protocol`, values: ['SCTP', 'TCP', 'UDP'] }),
      ...protocol.map((text) => invalidValue(`${path}.appProtocol`, port.appProtocol, text)),
    ];
  });
  return [...tooMany('ports', { count: ports.length, max: LIMITS.ports }), ...errors];
}
