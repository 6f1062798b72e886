import type { Pod, Service } from '../api/types.ts';

/** Name and value of one variable. */
export type EnvPair = readonly [name: string, value: string];

/** Where values that are not literal come from. */
export interface EnvSources {
  /** Of the pod, for messages. */
  readonly namespace: string;
  /** Data of a ConfigMap or Secret, decoded; undefined when it does not exist. */
  data(kind: 'configMap' | 'secret', name: string): Record<string, string> | undefined;
  /** Value of a `fieldRef` or `resourceFieldRef`. */
  field(path: string): string;
  resource(ref: { containerName?: string; resource: string; divisor?: string | number }): string;
}

type Container = NonNullable<Pod['spec']>['containers'][number];
type EnvVar = NonNullable<Container['env']>[number];

/** A ConfigMap, Secret or key that a container needs is not there: CreateContainerConfigError. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/**
 * The variables of a container: those of Services first, then `envFrom`, then `env`, each seeing what came before.
 * Throws {@link ConfigError}.
 */
export function containerEnvironment(
  container: Container,
  serviceVariables: readonly EnvPair[],
  sources: EnvSources,
): EnvPair[] {
  const variables = new Map<string, string>(serviceVariables);
  for (const source of container.envFrom ?? [])
    for (const [key, value] of fromSource(source, sources)) variables.set(key, value);
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom ? fromReference(variable, sources) : expand(variable.value ?? '', variables);
    if (value !== undefined) variables.set(variable.name, value);
  }
  return [...variables];
}

function fromSource(source: NonNullable<Container['envFrom']>[number], sources: EnvSources): EnvPair[] {
  const kind = source.configMapRef ? 'configMap' : 'secret';
  const ref = source.configMapRef ?? source.secretRef;
  const data = sources.data(kind, ref?.name ?? '');
  if (!data && !ref?.optional) throw new ConfigError(`${kind.toLowerCase()} ${JSON.stringify(ref?.name)} not found`);
  return Object.entries(data ?? {}).map(([key, value]) => [`${source.prefix ?? ''}${key}`, value]);
}

function fromReference({ valueFrom }: EnvVar, sources: EnvSources): string | undefined {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom!;
  if (fieldRef) return sources.field(fieldRef.fieldPath);
  if (resourceFieldRef)
    return sources.resource(
      resourceFieldRef as { containerName?: string; resource: string; divisor?: string | number },
    );
  const kind = configMapKeyRef ? 'configMap' : 'secret';
  const ref = configMapKeyRef ?? secretKeyRef;
  const data = sources.data(kind, ref?.name ?? '');
  if (!data && !ref?.optional) throw new ConfigError(`${kind.toLowerCase()} ${JSON.stringify(ref?.name)} not found`);
  const value = data?.[ref!.key];
  const title = kind === 'configMap' ? 'ConfigMap' : 'Secret';
  if (value === undefined && !ref?.optional)
    throw new ConfigError(`couldn't find key ${ref!.key} in ${title} ${sources.namespace}/${ref?.name}`);
  return value;
}

/** `$(NAME)` becomes the variable's value, `$$` a dollar sign; unknown names stay as they are. */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([^()]+)\)/g, (found, name: string | undefined) =>
    found === '$$' ? '$' : (variables.get(name!) ?? found),
  );
}

/** Which Services a pod's variables name: its namespace's if links are enabled, and always `default/kubernetes`. */
export function linkedServices(services: Iterable<Service>, pod: Pod): Service[] {
  const linked = new Map<string, Service>();
  for (const service of services) {
    const { name, namespace } = service.metadata;
    const master = namespace === 'default' && name === 'kubernetes';
    const peer = namespace === pod.metadata.namespace && pod.spec?.enableServiceLinks !== false;
    const ip = service.spec?.clusterIP;
    if (!ip || ip === 'None') continue;
    if (master && !linked.has(name)) linked.set(name, service);
    if (peer) linked.set(name, service);
  }
  return [...linked.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** `{SVC}_SERVICE_HOST`, `{SVC}_SERVICE_PORT` and the Docker links family of each Service. */
export function serviceVariables(services: readonly Service[]): EnvPair[] {
  return services.flatMap((service) => {
    const prefix = service.metadata.name.toUpperCase().replaceAll('-', '_');
    const host = service.spec!.clusterIP!;
    const ports = service.spec!.ports ?? [];
    if (ports.length === 0) return [];
    const named = ports
      .filter((port) => port.name)
      .map((port): EnvPair => [`${prefix}_SERVICE_PORT_${variableName(port.name!)}`, String(port.port)]);
    return [
      [`${prefix}_SERVICE_HOST`, host],
      [`${prefix}_SERVICE_PORT`, String(ports[0]!.port)],
      ...named,
      ...links(prefix, service),
    ] as EnvPair[];
  });
}

function links(prefix: string, service: Service): EnvPair[] {
  const host = service.spec!.clusterIP!;
  const address = host.includes(':') ? `[${host}]` : host;
  return (service.spec!.ports ?? []).flatMap((port, index): EnvPair[] => {
    const protocol = port.protocol ?? 'TCP';
    const url = `${protocol.toLowerCase()}://${address}:${port.port}`;
    const base = `${prefix}_PORT_${port.port}_${protocol}`;
    const first: EnvPair[] = index === 0 ? [[`${prefix}_PORT`, url]] : [];
    return [
      ...first,
      [base, url],
      [`${base}_PROTO`, protocol.toLowerCase()],
      [`${base}_PORT`, String(port.port)],
      [`${base}_ADDR`, host],
    ];
  });
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
