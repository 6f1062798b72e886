import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DaemonSet, Deployment, StatefulSet } from '../types.ts';
import { validateDaemonSetStrategy, validateDeploymentStrategy, validateStatefulSetStrategy } from './strategy.ts';

type Finding = { field: string; message: string };
const texts = (errors: readonly Finding[]) => errors.map(({ field, message }) => `${field}: ${message}`);

test('strategies are refused what they can not carry out', () => {
  const deployment = (spec: object) => texts(validateDeploymentStrategy(spec as Deployment['spec']));
  const rolling = (rollingUpdate: object) => ({ strategy: { type: 'RollingUpdate', rollingUpdate } });
  assert.deepEqual(deployment(rolling({ maxSurge: 1, maxUnavailable: '25%' })), []);
  assert.deepEqual(deployment(rolling({ maxSurge: '0%', maxUnavailable: 0 })), [
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
  ]);
  assert.deepEqual(deployment(rolling({ maxSurge: -1, maxUnavailable: '120%' })), [
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "120%": must not be greater than 100%',
    'spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0',
  ]);
  assert.deepEqual(deployment({ strategy: { type: 'Recreate', rollingUpdate: {} } }), [
    "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
  ]);
  assert.deepEqual(deployment({ progressDeadlineSeconds: 5, minReadySeconds: 5 }), [
    'spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds',
  ]);
  const daemons = (rollingUpdate: object) =>
    texts(
      validateDaemonSetStrategy({
        updateStrategy: { type: 'RollingUpdate', rollingUpdate },
      } as unknown as DaemonSet['spec']),
    );
  assert.deepEqual(daemons({ maxSurge: 0, maxUnavailable: 1 }), []);
  assert.deepEqual(daemons({ maxSurge: 0, maxUnavailable: 0 }), [
    'spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0',
  ]);
  const stateful = (spec: object) => texts(validateStatefulSetStrategy(spec as StatefulSet['spec']));
  assert.deepEqual(
    stateful({ podManagementPolicy: 'Random', updateStrategy: { type: 'OnDelete', rollingUpdate: {} } }),
    [
      'spec.podManagementPolicy: Unsupported value: "Random": supported values: "OrderedReady", "Parallel"',
      "spec.updateStrategy.rollingUpdate: Invalid value: {}: only allowed for updateStrategy 'RollingUpdate'",
    ],
  );
});
