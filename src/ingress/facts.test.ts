import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps } from '../api/kinds/configmap.ts';
import { endpointSlices } from '../api/kinds/endpointslice.ts';
import { ingresses } from '../api/kinds/ingress.ts';
import { ingressClasses } from '../api/kinds/ingressclass.ts';
import { secrets } from '../api/kinds/secret.ts';
import { services } from '../api/kinds/service.ts';
import type { Resource } from '../api/resource.ts';
import type { ConfigMap, KubeObject } from '../api/types.ts';
import type { InformerFilter, Informers } from '../client/informer.ts';
import { FakeClock } from '../testing/clock.ts';
import { PlainInformers } from '../testing/plain-informers.ts';
import { CONTROLLER, ownClasses } from './classes.ts';
import { followFacts } from './facts.ts';
import { ingress, ingressClass, slice } from './ingress.fixture.ts';
import { Names } from './names.ts';

function world() {
  const plain = new PlainInformers();
  const asked = new Set<string>();
  const informers: Informers = {
    of: <T extends KubeObject>(resource: Resource<T>, filter?: InformerFilter) => {
      asked.add(`${resource.plural}${filter ? ` ${filter.namespace} ${filter.fieldSelector}` : ''}`);
      return plain.of(resource);
    },
    whenSynced: () => plain.whenSynced(),
  };
  for (const kind of [ingresses, ingressClasses, services, endpointSlices, secrets, configMaps])
    plain.of(kind as typeof services).markSynced();
  const resolve = () => Promise.reject(new Error('no'));
  const names = new Names({
    resolve,
    onChange: () => {},
    clock: new FakeClock(),
    signal: new AbortController().signal,
  });
  let changes = 0;
  const ownClassOf = ownClasses((name) => plain.of(ingressClasses).get(name));
  const facts = followFacts({ informers, names, ownClassOf, onChange: () => changes++ });
  return { plain, asked, facts, changes: () => changes };
}

test('only what own Ingresses need is watched', async () => {
  const { plain, asked, facts } = world();
  plain.of(ingressClasses).set(ingressClass('sampan'));
  plain.of(ingresses).set(ingress({ name: 'foreign', className: 'nginx' }));
  await facts.current();
  assert.deepEqual([...asked], ['ingresses', 'ingressclasses']);
  plain.of(ingresses).set(ingress({ name: 'own' }));
  await facts.current();
  assert.deepEqual([...asked].slice(2), ['services', 'endpointslices']);
  plain.of(ingresses).set(ingress({ name: 'tls', tls: [{ secretName: 'x' }] }));
  await facts.current();
  assert.deepEqual([...asked].slice(4), ['secrets']);
  const parameters = { kind: 'ConfigMap', name: 'defaults', namespace: 'default', scope: 'Namespace' };
  plain.of(ingressClasses).set(ingressClass('sampan', { controller: CONTROLLER, parameters }));
  plain.of(configMaps).set({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'defaults', namespace: 'default' },
    data: { a: 'b' },
  } as ConfigMap);
  const { classDefaults } = await facts.current();
  assert.deepEqual([...asked].slice(5), ['configmaps default metadata.name=defaults']);
  assert.deepEqual(classDefaults(plain.of(ingressClasses).get('sampan')!), { a: 'b' });
});

test('EndpointSlices are found by their Service, as they change', async () => {
  const { plain, facts, changes } = world();
  plain.of(ingressClasses).set(ingressClass('sampan'));
  plain.of(ingresses).set(ingress({ name: 'own' }));
  const { slicesOf } = await facts.current();
  const before = changes();
  plain.of(endpointSlices).set(slice('web', ['10.0.0.1']));
  plain.of(endpointSlices).set(slice('web', ['10.0.0.2']));
  assert.deepEqual(
    slicesOf('default', 'web').map(({ endpoints }) => endpoints?.[0]?.addresses),
    [['10.0.0.2']],
  );
  assert.equal(changes(), before + 2);
  plain.of(endpointSlices).delete(slice('web', []));
  assert.deepEqual(slicesOf('default', 'web'), []);
  facts.stop();
  plain.of(endpointSlices).set(slice('web', ['10.0.0.3']));
  assert.equal(changes(), before + 3);
});
