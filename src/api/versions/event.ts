import { events } from '../kinds/event.ts';
import { type Resource, row } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { versionOf } from './version.ts';

/** Fields of `events.k8s.io/v1` Event and their names in the core group's; all others have the same name. */
const CORE_NAMES = {
  regarding: 'involvedObject',
  note: 'message',
  reportingController: 'reportingComponent',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
} as const;

const OWN_NAMES = Object.fromEntries(Object.entries(CORE_NAMES).map(([own, core]) => [core, own]));

type Reference = 'kind' | 'namespace' | 'name' | 'uid' | 'apiVersion' | 'resourceVersion' | 'fieldPath';

const REFERENCE_FIELDS: readonly Reference[] = [
  'kind',
  'namespace',
  'name',
  'uid',
  'apiVersion',
  'resourceVersion',
  'fieldPath',
];

/** The fields that client-go's new recorder sends. */
interface NewEvent extends KubeObject {
  readonly regarding?: Partial<Record<Reference, string>>;
  readonly reason?: string;
  readonly reportingController?: string;
  readonly type?: string;
}

/** `events.k8s.io/v1` Event, kept as the core group's. */
export const newEvents: Resource = versionOf(row(events), {
  group: 'events.k8s.io',
  version: 'v1',
  fieldSelectors: {
    ...Object.fromEntries(
      REFERENCE_FIELDS.map((field) => [
        `regarding.${field}`,
        (object: KubeObject) => (object as NewEvent).regarding?.[field] ?? '',
      ]),
    ),
    reason: (object) => (object as NewEvent).reason ?? '',
    reportingController: (object) => (object as NewEvent).reportingController ?? '',
    type: (object) => (object as NewEvent).type ?? '',
  },
  toStored: (object) => renamed(object, { names: CORE_NAMES, apiVersion: 'v1' }),
  fromStored: (object) => renamed(object, { names: OWN_NAMES, apiVersion: 'events.k8s.io/v1' }),
});

function renamed(
  object: KubeObject,
  { names, apiVersion }: { names: Readonly<Record<string, string>>; apiVersion: string },
): KubeObject {
  const entries = Object.entries(object).map(([key, value]) => [Object.hasOwn(names, key) ? names[key]! : key, value]);
  return { ...Object.fromEntries(entries), apiVersion };
}
