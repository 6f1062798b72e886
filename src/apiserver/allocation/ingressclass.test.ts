import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ingress, IngressClass } from '../../api/types.ts';
import { createIngressClassAdmission } from './ingressclass.ts';

const context = { dryRun: false, user: { username: 'test', groups: [] } };
const IS_DEFAULT = { 'ingressclass.kubernetes.io/is-default-class': 'true' };

function admit(ingress: object, classes: readonly object[]): string | undefined {
  const object = { metadata: { name: 'i' }, spec: {}, ...ingress } as unknown as Ingress;
  createIngressClassAdmission(() => classes as IngressClass[]).create!(object, context);
  return object.spec!.ingressClassName;
}

test('Ingresses that name no class get the default one', () => {
  const plain = { metadata: { name: 'plain' } };
  const old = { metadata: { name: 'old', annotations: IS_DEFAULT, creationTimestamp: '2026-01-01T00:00:00Z' } };
  const young = { metadata: { name: 'young', annotations: IS_DEFAULT, creationTimestamp: '2026-01-02T00:00:00Z' } };
  const annotated = { metadata: { name: 'i', annotations: { 'kubernetes.io/ingress.class': 'x' } } };
  const rows: [object, object[], string | undefined][] = [
    [{}, [plain, old], 'old'],
    [{}, [old, young, plain], 'young'],
    [{}, [plain], undefined],
    [{ spec: { ingressClassName: 'own' } }, [old], 'own'],
    [annotated, [old], undefined],
  ];
  for (const [ingress, classes, expected] of rows) assert.equal(admit(ingress, classes), expected);
});
