import type { Resource } from '../api/resource.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import type { Admission, AdmissionPlugin } from './admission.ts';

/** What every verb works with. */
export interface VerbContext {
  readonly store: Store;
  readonly registry: readonly Resource[];
  readonly admissions: readonly Admission[];
  readonly plugins: readonly AdmissionPlugin[];
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}
