import { isDeepStrictEqual } from 'node:util';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { forbidden } from '../field-error.ts';
import { containersColumn, imagesColumn } from '../pod/columns.ts';
import { setPodSpecDefaults } from '../pod/defaults.ts';
import { validateStatefulSetStrategy } from '../pod/strategy.ts';
import { validateWorkload } from '../pod/template.ts';
import { namespacedKind, type Resource } from '../resource.ts';
import type { StatefulSet } from '../types.ts';

export const statefulSets: Resource<StatefulSet> = {
  ...namespacedKind,
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  singular: 'statefulset',
  shortNames: ['sts'],
  categories: ['all'],
  status: true,
  generation: true,
  scale: { specReplicas: ['spec', 'replicas'], statusReplicas: ['status', 'replicas'], selector: ['spec', 'selector'] },
  columns: [
    nameColumn,
    column('Ready', (set) => `${set.status?.readyReplicas ?? 0}/${set.spec?.replicas ?? 0}`),
    ageColumn,
    containersColumn((set) => set.spec?.template),
    imagesColumn((set) => set.spec?.template),
  ],
  setDefaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    spec.podManagementPolicy ??= 'OrderedReady';
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ??= 'RollingUpdate';
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate = { partition: 0, ...spec.updateStrategy.rollingUpdate };
    }
    spec.persistentVolumeClaimRetentionPolicy = {
      whenDeleted: 'Retain',
      whenScaled: 'Retain',
      ...spec.persistentVolumeClaimRetentionPolicy,
    };
    spec.revisionHistoryLimit ??= 10;
    if (spec.template?.spec) setPodSpecDefaults(spec.template.spec);
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion = 'v1';
      claim.kind = 'PersistentVolumeClaim';
      claim.status ??= { phase: 'Pending' };
      if (claim.spec) claim.spec.volumeMode ??= 'Filesystem';
    }
  },
  prepareForCreate(set) {
    set.status = { replicas: 0, availableReplicas: 0 };
  },
  validate: ({ spec }) => [...validateWorkload(withClaims(spec), 'statefulset'), ...validateStatefulSetStrategy(spec)],
  validateUpdate: (set, old) => (isDeepStrictEqual(fixedPart(set), fixedPart(old)) ? [] : [forbidden('spec', MUTABLE)]),
};

/** Claims are volumes of every pod, under the names of their templates. */
function withClaims(spec: StatefulSet['spec']): StatefulSet['spec'] {
  if (!spec?.template?.spec) return spec;
  const podSpec = spec.template.spec;
  const claims = (spec.volumeClaimTemplates ?? []).map(({ metadata }) => ({ name: metadata?.name ?? '' }));
  const own = (podSpec.volumes ?? []).filter(({ name }) => !claims.some((claim) => claim.name === name));
  return { ...spec, template: { ...spec.template, spec: { ...podSpec, volumes: [...own, ...claims] } } };
}

const MUTABLE =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

function fixedPart({ spec }: StatefulSet): object {
  const {
    replicas: _replicas,
    ordinals: _ordinals,
    template: _template,
    updateStrategy: _updateStrategy,
    revisionHistoryLimit: _revisionHistoryLimit,
    persistentVolumeClaimRetentionPolicy: _retention,
    minReadySeconds: _minReadySeconds,
    ...fixed
  } = spec!;
  return fixed;
}
