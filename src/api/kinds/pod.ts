import { isDeepStrictEqual } from 'node:util';
import { ageColumn, column, nameColumn, wide } from '../columns.ts';
import { type FieldError, forbidden } from '../field-error.ts';
import { qosClass, setPodSpecDefaults } from '../pod/defaults.ts';
import { summarizePod } from '../pod/status-text.ts';
import { validatePodSpec } from '../pod/validation.ts';
import type { Resource } from '../resource.ts';
import type { Pod } from '../types.ts';

export const pods: Resource<Pod> = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  status: true,
  generation: false,
  fieldSelectors: {
    'spec.nodeName': (pod) => pod.spec?.nodeName ?? '',
    'spec.host': (pod) => pod.spec?.nodeName ?? '',
    'spec.restartPolicy': (pod) => pod.spec?.restartPolicy ?? '',
    'spec.schedulerName': (pod) => pod.spec?.schedulerName ?? '',
    'spec.serviceAccountName': (pod) => pod.spec?.serviceAccountName ?? '',
    'spec.hostNetwork': (pod) => String(pod.spec?.hostNetwork ?? false),
    'status.phase': (pod) => pod.status?.phase ?? '',
    'status.podIP': (pod) => pod.status?.podIP ?? '',
    'status.nominatedNodeName': (pod) => pod.status?.nominatedNodeName ?? '',
  },
  columns: [
    nameColumn,
    column('Ready', (pod, now) => summarizePod(pod, now).ready),
    column('Status', (pod, now) => summarizePod(pod, now).status),
    column('Restarts', (pod, now) => summarizePod(pod, now).restarts),
    ageColumn,
    wide('IP', (pod) => pod.status?.podIPs?.[0]?.ip ?? '<none>'),
    wide('Node', (pod) => pod.spec?.nodeName || '<none>'),
    wide('Nominated Node', (pod) => pod.status?.nominatedNodeName || '<none>'),
    wide('Readiness Gates', readinessGates),
  ],
  setDefaults(pod) {
    if (!pod.spec) return;
    setPodSpecDefaults(pod.spec);
    pod.spec.enableServiceLinks ??= true;
    pod.spec.serviceAccountName ||= 'default';
    pod.spec.serviceAccount = pod.spec.serviceAccountName;
    addTolerations(pod);
  },
  prepareForCreate(pod) {
    pod.status = { phase: 'Pending' };
    // They come later, by a subresource of their own.
    delete pod.spec?.ephemeralContainers;
    if (pod.spec?.containers) pod.status.qosClass = qosClass(pod.spec);
    if (pod.spec?.schedulingGates?.length) pod.status.conditions = [GATED];
  },
  validate: (pod) => validatePodSpec(pod.spec, 'spec'),
  validateUpdate,
};

/** KEP-3521 */
const GATED = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};

/** What the DefaultTolerationSeconds admission adds: a pod stays 300 s on a node that stopped answering. */
function addTolerations(pod: Pod): void {
  const tolerations = pod.spec!.tolerations ?? [];
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const covered = tolerations.some((t) => (t.key === key || !t.key) && (t.effect === 'NoExecute' || !t.effect));
    if (!covered) tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 });
  }
  pod.spec!.tolerations = tolerations;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const conditions = pod.status?.conditions ?? [];
  const open = gates.filter((gate) => conditions.some((c) => c.type === gate.conditionType && c.status === 'True'));
  return `${open.length}/${gates.length}`;
}

const MUTABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

function validateUpdate(pod: Pod, old: Pod): FieldError[] {
  if (!isDeepStrictEqual(fixedPart(pod), fixedPart(old))) return [forbidden('spec', MUTABLE)];
  const gates = (of: Pod) => new Set((of.spec?.schedulingGates ?? []).map(({ name }) => name));
  const before = gates(old);
  const added = [...gates(pod)].filter((name) => !before.has(name));
  return added.map((name) =>
    forbidden('spec.schedulingGates', `only deletion is allowed, but found new scheduling gate '${name}'`),
  );
}

function fixedPart(pod: Pod): unknown {
  const spec = structuredClone(pod.spec);
  if (!spec) return spec;
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) delete container.image;
  delete spec.activeDeadlineSeconds;
  delete spec.tolerations;
  delete spec.schedulingGates;
  // Set once, by binding.
  delete spec.nodeName;
  return spec;
}
