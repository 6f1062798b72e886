import { isDeepStrictEqual } from 'node:util';
import { type FieldError, forbidden, requiredValue } from '../field-error.ts';
import type { Pod } from '../types.ts';
import { validatePodSpec } from './validation.ts';

const PATH = 'spec.ephemeralContainers';

/** What an ephemeral container can not have: it comes to a pod whose place is settled, and is never restarted. */
const NOT_ALLOWED = ['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle', 'restartPolicy'] as const;

/** Rules of the `ephemeralcontainers` subresource: containers may be added, and stay as they are. */
export function validateEphemeralUpdate(pod: Pod, old: Pod): FieldError[] {
  const spec = pod.spec!;
  const added = spec.ephemeralContainers ?? [];
  const kept = (old.spec!.ephemeralContainers ?? []).filter(
    (container) => !added.some((other) => isDeepStrictEqual(other, container)),
  );
  const changed = kept.map(({ name }) =>
    forbidden(PATH, `existing ephemeral containers ${JSON.stringify(name)} may not be removed or changed`),
  );
  const targets = new Set([...spec.containers, ...(spec.initContainers ?? [])].map(({ name }) => name));
  const rules = added.flatMap((container, index): FieldError[] => {
    const at = `${PATH}[${index}]`;
    const target = container.targetContainerName;
    const unknown = target && !targets.has(target);
    const fields = container as unknown as Record<string, unknown>;
    const wrong = NOT_ALLOWED.filter((field) => fields[field] !== undefined);
    const message = `Not found: ${JSON.stringify(target)}`;
    return [
      ...(container.image ? [] : [requiredValue(`${at}.image`)]),
      ...(unknown ? [{ type: 'FieldValueNotFound' as const, field: `${at}.targetContainerName`, message }] : []),
      ...wrong.map((field) => forbidden(`${at}.${field}`, 'cannot be set for an Ephemeral Container')),
      ...(Object.keys(container.resources ?? {}).length > 0
        ? [forbidden(`${at}.resources`, 'cannot be set for an Ephemeral Container')]
        : []),
    ];
  });
  // Names must differ from those of all other containers.
  const all = { ...spec, containers: [...spec.containers, ...added] } as Pod['spec'];
  return [...changed, ...rules, ...validatePodSpec(all, 'spec')];
}
