import type { Ingress, IngressClass } from '../api/types.ts';

/** `spec.controller` of the classes that are served here, where nothing else is asked for. */
export const CONTROLLER = 'sampan.dev/ingress';

/** The way of `extensions/v1beta1`, and still of many charts, to name a class. */
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

/** The class that an Ingress asks for; undefined when it names none. */
export function classNameOf({ metadata, spec }: Ingress): string | undefined {
  return metadata.annotations?.[CLASS_ANNOTATION] || spec?.ingressClassName || undefined;
}

/** The class of an Ingress if it is one of this controller's. */
export type OwnClassOf = (ingress: Ingress) => IngressClass | undefined;

/** By the classes that name `controller`. */
export function ownClasses(findClass: (name: string) => IngressClass | undefined, controller = CONTROLLER): OwnClassOf {
  return (ingress) => {
    const name = classNameOf(ingress);
    const ingressClass = name === undefined ? undefined : findClass(name);
    return ingressClass?.spec?.controller === controller ? ingressClass : undefined;
  };
}
