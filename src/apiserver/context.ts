import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import type { Admission, AdmissionPlugin } from './admission.ts';
import type { Catalog } from './catalog.ts';
import type { Fanout } from './fanout.ts';

/** What every verb works with. */
export interface VerbContext {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly admissions: readonly Admission[];
  readonly plugins: readonly AdmissionPlugin[];
  /** Writes to watchers. */
  readonly fanout: Fanout;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}
