import { ingresses } from '../api/kinds/ingress.ts';
import type { EventRecorder } from '../client/events.ts';
import { type Informers, objectKey, splitKey } from '../client/informer.ts';
import type { OwnClassOf } from './classes.ts';
import type { Publisher } from './status.ts';
import type { Problem } from './types.ts';

export interface ReportOptions {
  readonly informers: Informers;
  readonly recorder: EventRecorder;
  readonly publisher: Publisher;
  readonly ownClassOf: OwnClassOf;
}

/** Tells owners what became of their Ingresses. */
export interface Reporter {
  /** All problems of this moment; each is told once for as long as it lasts. */
  report(problems: readonly Problem[]): void;
}

/** Events: `Sync` for each new or changed Ingress, a warning for each problem. */
export function reportProblems({ informers, recorder, publisher, ownClassOf }: ReportOptions): Reporter {
  const cache = informers.of(ingresses);
  const told = new Map<string, Set<string>>();
  cache.subscribe((change) => {
    if (change.type === 'deleted') return void told.delete(objectKey(change.object));
    const { object } = change;
    const changed = change.type === 'added' || change.old.metadata.generation !== object.metadata.generation;
    if (!cache.synced || !changed || !ownClassOf(object) || !publisher.addresses()) return;
    recorder.record(object, { type: 'Normal', reason: 'Sync', message: 'Scheduled for sync' });
  });
  return {
    report(problems) {
      if (!publisher.addresses()) return;
      const now = new Map<string, Problem[]>();
      for (const problem of problems) now.set(problem.ingress, [...(now.get(problem.ingress) ?? []), problem]);
      for (const key of told.keys()) if (!now.has(key)) told.delete(key);
      for (const [key, list] of now) {
        const { name, namespace } = splitKey(key);
        const ingress = cache.get(name, namespace);
        const before = told.get(key);
        told.set(key, new Set(list.map(({ message }) => message)));
        for (const { reason, message } of list)
          if (ingress && !before?.has(message)) recorder.record(ingress, { type: 'Warning', reason, message });
      }
    },
  };
}
