import { ApiError, qualifiedResource } from '../../api/errors.ts';
import { type Amount, formatAmount, toAmount, ZERO } from '../../api/quantity.ts';
import type { Amounts } from '../../api/quota/pod-usage.ts';
import { inScope } from '../../api/quota/scopes.ts';
import { limitedUsage } from '../../api/quota/usage.ts';
import type { KubeObject, Pod, ResourceQuota } from '../../api/types.ts';
import type { Admission } from '../admission.ts';
import type { Catalog } from '../catalog.ts';
import { keyOf } from '../objects.ts';
import type { QuotaUsage } from './quota-usage.ts';

interface Kind {
  readonly group: string;
  readonly plural: string;
}

/** Refuses what would use more than a ResourceQuota of its namespace has left. The last step: what it allows is claimed. */
export function createQuotaAdmission(options: { usage: QuotaUsage; catalog: Catalog }): Admission<KubeObject> {
  const { usage } = options;
  const check = (object: KubeObject, old: KubeObject | undefined) => {
    const { namespace = '' } = object.metadata;
    const quotas = namespace === '' ? [] : usage.of(namespace);
    if (quotas.length === 0) return;
    const kind = kindOf(options.catalog, object);
    const byQuota = new Map<string, Amounts>();
    for (const { quota, used } of quotas) {
      const added = difference(limitedUsage(quota, kind, object), old && limitedUsage(quota, kind, old));
      if (!old) requireAll(quota, kind, object);
      refuseExcess({ quota, used, added, kind, object });
      if (added.size > 0) byQuota.set(quota.metadata.name, added);
    }
    if (byQuota.size > 0) usage.claim(keyOf(kind, { namespace, name: object.metadata.name }), byQuota);
  };
  const release = (object: KubeObject) => {
    const { namespace = '', name } = object.metadata;
    if (namespace !== '') usage.release(keyOf(kindOf(options.catalog, object), { namespace, name }));
  };
  return {
    create: (object) => check(object, undefined),
    update: (object, old) => check(object, old),
    aborted: release,
  };
}

function kindOf(catalog: Catalog, { apiVersion, kind }: KubeObject): Kind {
  const row = catalog.rows.find((row) => row.kind === kind && versionOf(row) === apiVersion);
  return row ?? { group: '', plural: '' };
}

function versionOf({ group, version }: { group: string; version: string }): string {
  return group === '' ? version : `${group}/${version}`;
}

function difference(now: Amounts, before: Amounts | undefined): Amounts {
  const names = new Set([...now.keys(), ...(before?.keys() ?? [])]);
  const changes = [...names].map((name): [string, Amount] => {
    const [a, b] = [now.get(name) ?? ZERO, before?.get(name) ?? ZERO];
    return [name, { nanos: a.nanos - b.nanos, binary: a.binary || b.binary }];
  });
  return new Map(changes.filter(([, { nanos }]) => nanos !== 0n));
}

interface Checking {
  readonly quota: ResourceQuota;
  readonly used: Amounts;
  readonly added: Amounts;
  readonly kind: Kind;
  readonly object: KubeObject;
}

function refuseExcess({ quota, used, added, kind, object }: Checking): void {
  const hard = quota.spec?.hard ?? {};
  const over = [...added].filter(([name, { nanos }]) => {
    const limit = toAmount(hard[name]).nanos;
    return nanos > 0n && (used.get(name)?.nanos ?? 0n) + nanos > limit;
  });
  if (over.length === 0) return;
  const names = over.map(([name]) => name).sort();
  const show = (value: (name: string) => string) => names.map((name) => `${name}=${value(name)}`).join(',');
  const requested = show((name) => formatAmount(added.get(name)!));
  const inUse = show((name) => formatAmount(used.get(name) ?? ZERO));
  const limited = show((name) => String(hard[name]));
  const why = `exceeded quota: ${quota.metadata.name}, requested: ${requested}, used: ${inUse}, limited: ${limited}`;
  throw forbidden(kind, object, why);
}

const COMPUTE = ['cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'];

/** A quota on a resource makes every container say how much of it it needs. */
function requireAll(quota: ResourceQuota, kind: Kind, object: KubeObject): void {
  if (kind.group !== '' || kind.plural !== 'pods' || !inScope(quota, object)) return;
  const { spec } = object as Pod;
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const missing = COMPUTE.filter((name) => quota.spec?.hard?.[name] !== undefined).flatMap((name) => {
    const [field, resource] = name.startsWith('limits.')
      ? (['limits', name.slice('limits.'.length)] as const)
      : (['requests', name.replace('requests.', '')] as const);
    if (spec?.resources?.[field]?.[resource] !== undefined) return [];
    const without = containers.filter(({ resources }) => resources?.[field]?.[resource] === undefined);
    return without.length === 0
      ? []
      : [
          `${name} for: ${without
            .map((container) => container.name)
            .sort()
            .join(',')}`,
        ];
  });
  if (missing.length === 0) return;
  throw forbidden(kind, object, `failed quota: ${quota.metadata.name}: must specify ${missing.sort().join('; ')}`);
}

function forbidden(kind: Kind, { metadata }: KubeObject, why: string): ApiError {
  const name = metadata.name || metadata.generateName || '';
  const details = { name, group: kind.group || undefined, kind: kind.plural };
  return new ApiError('Forbidden', `${qualifiedResource(kind)} ${JSON.stringify(name)} is forbidden: ${why}`, details);
}
