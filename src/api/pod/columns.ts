import { wide } from '../columns.ts';
import type { Column } from '../resource.ts';

/** The part of a pod template that tables show. */
export interface TemplateContainers {
  readonly spec?: { readonly containers?: readonly { readonly name: string; readonly image?: string }[] };
}

/** Container names of a pod template, joined with commas, for `-o wide`. */
export function containersColumn<T>(template: (object: T) => TemplateContainers | undefined): Column<T> {
  return wide('Containers', (object) => namesOf(template(object)));
}

/** Container images of a pod template, joined with commas, for `-o wide`. */
export function imagesColumn<T>(template: (object: T) => TemplateContainers | undefined): Column<T> {
  return wide('Images', (object) => imagesOf(template(object)));
}

export function namesOf(template: TemplateContainers | undefined): string {
  return (template?.spec?.containers ?? []).map(({ name }) => name).join(',');
}

export function imagesOf(template: TemplateContainers | undefined): string {
  return (template?.spec?.containers ?? []).map(({ image = '' }) => image).join(',');
}
