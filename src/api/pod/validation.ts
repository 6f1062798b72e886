import { duplicateValue, type FieldError, invalidValue, notSupported, requiredValue } from '../field-error.ts';
import { checkName, checkPortName } from '../names.ts';
import type { Container, PodSpec } from './defaults.ts';

/** The main rules of a pod spec; `path` is where it stands (`spec`, `spec.template.spec`). */
export function validatePodSpec(spec: PodSpec | undefined, path: string): FieldError[] {
  if (!spec?.containers?.length) return [requiredValue(`${path}.containers`)];
  const containers = spec.containers.map((container, index) => ({ container, at: `${path}.containers[${index}]` }));
  const inits = (spec.initContainers ?? []).map((container, index) => ({
    container,
    at: `${path}.initContainers[${index}]`,
  }));
  const volumes = new Set((spec.volumes ?? []).map((volume) => volume.name));
  return [
    ...validateVolumes(spec, path),
    ...[...containers, ...inits].flatMap(({ container, at }) => validateContainer(container, { at, volumes })),
    ...duplicates([...containers, ...inits].map(({ container, at }) => [container.name, `${at}.name`])),
    ...supported(spec.restartPolicy, { path: `${path}.restartPolicy`, values: ['Always', 'OnFailure', 'Never'] }),
    ...supported(spec.dnsPolicy, {
      path: `${path}.dnsPolicy`,
      values: ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'],
    }),
    ...nonNegative(spec.terminationGracePeriodSeconds, `${path}.terminationGracePeriodSeconds`),
  ];
}

function validateVolumes(spec: PodSpec, path: string): FieldError[] {
  const volumes = spec.volumes ?? [];
  const names = volumes.flatMap((volume, index) => labelName(volume.name, `${path}.volumes[${index}].name`));
  return [...names, ...duplicates(volumes.map((volume, index) => [volume.name, `${path}.volumes[${index}].name`]))];
}

interface ContainerPlace {
  readonly at: string;
  readonly volumes: ReadonlySet<string>;
}

function validateContainer(container: Container, { at, volumes }: ContainerPlace): FieldError[] {
  return [
    ...labelName(container.name, `${at}.name`),
    ...(container.image ? [] : [requiredValue(`${at}.image`)]),
    ...supported(container.imagePullPolicy, {
      path: `${at}.imagePullPolicy`,
      values: ['Always', 'IfNotPresent', 'Never'],
    }),
    ...validatePorts(container, at),
    ...validateEnv(container, at),
    ...validateMounts(container, { at, volumes }),
    ...validateProbes(container, at),
  ];
}

function validatePorts(container: Container, at: string): FieldError[] {
  const ports = container.ports ?? [];
  const errors = ports.flatMap((port, index) => {
    const path = `${at}.ports[${index}]`;
    return [
      ...(port.name ? checkPortName(port.name).map((text) => invalidValue(`${path}.name`, port.name, text)) : []),
      ...portNumber(port.containerPort, `${path}.containerPort`),
      ...(port.hostPort ? portNumber(port.hostPort, `${path}.hostPort`) : []),
      ...supported(port.protocol, { path: `${path}.protocol`, values: ['SCTP', 'TCP', 'UDP'] }),
    ];
  });
  const named = ports.map((port, index): [string | undefined, string] => [port.name, `${at}.ports[${index}].name`]);
  return [...errors, ...duplicates(named)];
}

function validateEnv(container: Container, at: string): FieldError[] {
  return (container.env ?? []).flatMap((env, index) => {
    const path = `${at}.env[${index}]`;
    if (!env.name) return [requiredValue(`${path}.name`)];
    if (env.value && env.valueFrom) {
      return [invalidValue(`${path}.valueFrom`, '', 'may not be specified when `value` is not empty')];
    }
    return [];
  });
}

function validateMounts(container: Container, { at, volumes }: ContainerPlace): FieldError[] {
  const mounts = container.volumeMounts ?? [];
  const errors = mounts.flatMap((mount, index) => {
    const path = `${at}.volumeMounts[${index}]`;
    if (!mount.name) return [requiredValue(`${path}.name`)];
    const missing: FieldError = {
      type: 'FieldValueNotFound',
      field: `${path}.name`,
      message: `Not found: ${JSON.stringify(mount.name)}`,
    };
    return [
      ...(volumes.has(mount.name) ? [] : [missing]),
      ...(mount.mountPath ? [] : [requiredValue(`${path}.mountPath`)]),
    ];
  });
  const paths = mounts.map((mount, index) => ({
    path: mount.mountPath,
    field: `${at}.volumeMounts[${index}].mountPath`,
  }));
  const repeated = paths.filter(({ path }, index) => paths.findIndex((other) => other.path === path) < index);
  return [...errors, ...repeated.map(({ path, field }) => invalidValue(field, path, 'must be unique'))];
}

const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;

function validateProbes(container: Container, at: string): FieldError[] {
  return PROBES.flatMap((name) => {
    const probe = container[name];
    if (!probe) return [];
    const handlers = [probe.exec, probe.httpGet, probe.tcpSocket, probe.grpc].filter(Boolean).length;
    const path = `${at}.${name}`;
    if (handlers === 0) return [requiredValue(path, 'must specify a handler type')];
    const numbers = [
      'initialDelaySeconds',
      'timeoutSeconds',
      'periodSeconds',
      'successThreshold',
      'failureThreshold',
    ] as const;
    const many: FieldError[] =
      handlers > 1
        ? [{ type: 'FieldValueForbidden', field: path, message: 'Forbidden: may not specify more than 1 handler type' }]
        : [];
    return [...many, ...numbers.flatMap((key) => nonNegative(probe[key], `${path}.${key}`))];
  });
}

function labelName(name: string | undefined, field: string): FieldError[] {
  if (!name) return [requiredValue(field)];
  return checkName(name, 'dns1123-label').map((text) => invalidValue(field, name, text));
}

function duplicates(names: readonly (readonly [string | undefined, string])[]): FieldError[] {
  const repeated = names.filter(([name], index) => name && names.findIndex(([other]) => other === name) < index);
  return repeated.map(([name, field]) => duplicateValue(field, name));
}

/** Port numbers as Kubernetes words their rule. */
export function portNumber(port: number | undefined, field: string): FieldError[] {
  if (port === undefined) return [requiredValue(field)];
  return port >= 1 && port <= 65535 ? [] : [invalidValue(field, port, 'must be between 1 and 65535, inclusive')];
}

export function nonNegative(value: number | undefined, field: string): FieldError[] {
  if (value === undefined || value >= 0) return [];
  return [invalidValue(field, value, 'must be greater than or equal to 0')];
}

export function supported(value: string | undefined, rule: { path: string; values: readonly string[] }): FieldError[] {
  return value === undefined || rule.values.includes(value) ? [] : [notSupported(rule.path, value, rule.values)];
}
