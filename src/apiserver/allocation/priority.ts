import { ApiError } from '../../api/errors.ts';
import type { Pod, PriorityClass } from '../../api/types.ts';
import type { Admission } from '../admission.ts';

export interface PriorityAdmissionOptions {
  readonly find: (name: string) => PriorityClass | undefined;
  readonly list: () => readonly PriorityClass[];
}

/** Classes that every cluster has, whether or not they are stored. */
const BUILT_IN: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

/** Gives new pods the priority of their class, or of the default class (Kubernetes' Priority admission). */
export function createPriorityAdmission(options: PriorityAdmissionOptions): Admission<Pod> {
  return {
    resource: { group: '', plural: 'pods' },
    create(pod) {
      const { spec } = pod;
      if (!spec) return;
      const found = spec.priorityClassName ? named(options, pod, spec.priorityClassName) : fallback(options);
      if (spec.priority !== undefined && spec.priority !== (found?.value ?? 0)) {
        throw forbidden(
          pod,
          `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${found?.value ?? 0} from the given PriorityClass name`,
        );
      }
      if (found?.name) spec.priorityClassName = found.name;
      spec.priority = found?.value ?? 0;
      spec.preemptionPolicy ??= found?.policy ?? 'PreemptLowerPriority';
    },
  };
}

interface Found {
  readonly name: string;
  readonly value: number;
  readonly policy: PriorityClass['preemptionPolicy'];
}

function named(options: PriorityAdmissionOptions, pod: Pod, name: string): Found {
  const known = options.find(name);
  const value = known?.value ?? BUILT_IN[name];
  if (value === undefined) throw forbidden(pod, `no PriorityClass with name ${name} was found`);
  return { name, value, policy: known?.preemptionPolicy };
}

/** Of several defaults the least counts. */
function fallback({ list }: PriorityAdmissionOptions): Found | undefined {
  const defaults = list().filter(({ globalDefault }) => globalDefault);
  const least = defaults.toSorted((a, b) => a.value - b.value)[0];
  return least && { name: least.metadata.name, value: least.value, policy: least.preemptionPolicy };
}

function forbidden(pod: Pod, why: string): ApiError {
  const name = pod.metadata.name || pod.metadata.generateName || '';
  return new ApiError('Forbidden', `pods ${JSON.stringify(name)} is forbidden: ${why}`, { name, kind: 'pods' });
}
