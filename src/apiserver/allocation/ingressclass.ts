import type { Ingress, IngressClass } from '../../api/types.ts';
import type { Admission } from '../admission.ts';

const DEFAULT_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

/** Gives new Ingresses that name no class the default one (Kubernetes' DefaultIngressClass admission). */
export function createIngressClassAdmission(list: () => readonly IngressClass[]): Admission<Ingress> {
  return {
    resource: { group: 'networking.k8s.io', plural: 'ingresses' },
    create(ingress) {
      const { metadata, spec } = ingress;
      if (!spec || spec.ingressClassName !== undefined || metadata.annotations?.[CLASS_ANNOTATION] !== undefined)
        return;
      const found = defaultClass(list());
      if (found) spec.ingressClassName = found;
    },
  };
}

/** Of several defaults the youngest counts, or the first by name. */
function defaultClass(all: readonly IngressClass[]): string | undefined {
  const defaults = all.filter(({ metadata }) => metadata.annotations?.[DEFAULT_ANNOTATION] === 'true');
  const created = ({ metadata }: IngressClass) => metadata.creationTimestamp ?? '';
  const [first] = defaults.toSorted((a, b) => {
    if (created(a) !== created(b)) return created(a) > created(b) ? -1 : 1;
    return a.metadata.name < b.metadata.name ? -1 : 1;
  });
  return first?.metadata.name;
}
