import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pods } from '../api/kinds/pod.ts';
import { services } from '../api/kinds/service.ts';
import type { Pod, Service } from '../api/types.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { selectionOf } from './selection.ts';

const pod = (name: string, labels: Record<string, string>, namespace = 'default') =>
  ({ metadata: { name, namespace, labels } }) as unknown as Pod;
const service = (name: string, selector?: Record<string, string>, namespace = 'default') =>
  ({ metadata: { name, namespace }, spec: { selector } }) as unknown as Service;
const names = (found: readonly (Pod | Service)[]) =>
  found
    .map(({ metadata }) => metadata.name)
    .sort()
    .join(' ');

test('selection follows pods and Services as they come, change and go', () => {
  const informers = new PlainInformers();
  const [podCache, serviceCache] = [informers.of(pods), informers.of(services)];
  podCache.set(pod('a', { app: 'web', tier: 'x' }));
  const selection = selectionOf(informers);
  assert.equal(selectionOf(informers), selection);
  podCache.set(pod('b', { app: 'web' }));
  podCache.set(pod('c', { app: 'web' }, 'other'));
  serviceCache.set(service('web', { app: 'web' }));
  serviceCache.set(service('both', { app: 'web', tier: 'x' }));
  serviceCache.set(service('none'));
  assert.equal(names(selection.podsOf(service('s', { app: 'web' }))), 'a b');
  assert.equal(names(selection.podsOf(service('s', { app: 'web', tier: 'x' }))), 'a');
  assert.equal(names(selection.podsOf(service('s'))), '');
  assert.equal(names(selection.servicesOf('default', { app: 'web', tier: 'x' })), 'both web');
  assert.equal(names(selection.servicesOf('default', { app: 'web' })), 'web');
  assert.equal(names(selection.servicesOf('other', { app: 'web' })), '');

  podCache.set(pod('a', { app: 'db' }));
  podCache.delete(pod('b', { app: 'web' }));
  serviceCache.set(service('web', { app: 'db' }));
  assert.equal(names(selection.podsOf(service('s', { app: 'web' }))), '');
  assert.equal(names(selection.podsOf(service('s', { app: 'db' }))), 'a');
  assert.equal(names(selection.servicesOf('default', { app: 'db' })), 'web');
  serviceCache.delete(service('web', { app: 'db' }));
  assert.equal(names(selection.servicesOf('default', { app: 'db' })), '');
});
