/** Held by claims that pods may still use, and by volumes that claims do. */
export const CLAIM_FINALIZER = 'kubernetes.io/pvc-protection';
export const VOLUME_FINALIZER = 'kubernetes.io/pv-protection';

/** `finalizers` with one of them. */
export function withFinalizer(finalizers: readonly string[] | undefined, name: string): string[] {
  return finalizers?.includes(name) ? [...finalizers] : [...(finalizers ?? []), name];
}
