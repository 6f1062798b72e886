import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod } from '../api/types.ts';
import { type Container, fieldValue, resourceValue } from './container-config.ts';
import type { Image } from './cri/types.ts';
import { linuxResources, linuxSecurityContext, mustNotBeRoot, rootRefusal } from './resources.ts';

function pod(container: object, spec: object = {}): Pod {
  const metadata = { name: 'p', namespace: 'default', uid: 'u', labels: { app: 'web', b: 'x"y' } };
  const containers = [{ name: 'main', ...container }];
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { nodeName: 'node-1', containers, ...spec } } as Pod;
}
const main = (of: Pod): Container => of.spec!.containers[0]!;

describe('linuxResources', () => {
  const cases: [object, object][] = [
    [{}, { cpu_shares: 2 }],
    [{ requests: { cpu: '500m' } }, { cpu_shares: 512 }],
    [{ limits: { cpu: '2' } }, { cpu_shares: 2048, cpu_period: 100_000, cpu_quota: 200_000 }],
    [
      { requests: { cpu: 1 }, limits: { cpu: '1m' } },
      { cpu_shares: 1024, cpu_period: 100_000, cpu_quota: 1000 },
    ],
    [{ limits: { memory: '64Mi' } }, { cpu_shares: 2, memory_limit_in_bytes: 67_108_864 }],
  ];
  for (const [resources, expected] of cases) {
    it(JSON.stringify(resources), () => assert.deepEqual(linuxResources({ name: 'main', resources }), expected));
  }
});

describe('linuxSecurityContext', () => {
  it('lets the container’s own settings win', () => {
    const securityContext = { runAsUser: 1, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false };
    const shared = { runAsUser: 2, runAsGroup: 3, fsGroup: 4, supplementalGroups: [5] };
    const of = pod({ securityContext }, { securityContext: shared });
    const context = linuxSecurityContext(main(of), of);
    assert.deepEqual(
      [context.run_as_user, context.run_as_group, context.supplemental_groups],
      [{ value: 1 }, { value: 3 }, [5, 4]],
    );
    assert.deepEqual([context.readonly_rootfs, context.no_new_privs, context.privileged], [true, true, false]);
  });
});

describe('rootRefusal', () => {
  const image = (user: Partial<Image>) => ({ id: 'i', repo_tags: [], repo_digests: [], ...user });
  const cases: [string, object, Image, RegExp | undefined][] = [
    ['another user', { runAsUser: 1000 }, image({}), undefined],
    [
      'root by number',
      { runAsUser: 0 },
      image({ uid: { value: '1000' } }),
      /^container's runAsUser breaks non-root policy \(pod: "p_default\(u\)", container: main\)$/,
    ],
    ['an image with a user', {}, image({ uid: { value: '1000' } }), undefined],
    [
      'an image with root',
      {},
      image({ uid: { value: '0' } }),
      /^container has runAsNonRoot and image will run as root/,
    ],
    ['an image without a user', {}, image({}), /image will run as root/],
    ['an image with a name', {}, image({ username: 'nginx' }), /image has non-numeric user \(nginx\), cannot verify/],
  ];
  for (const [name, securityContext, from, expected] of cases) {
    it(name, () => {
      const of = pod({ securityContext: { runAsNonRoot: true, ...securityContext } });
      assert.equal(mustNotBeRoot(of, main(of)), true);
      const refusal = rootRefusal(of, main(of), from);
      if (expected) assert.match(refusal!, expected);
      else assert.equal(refusal, undefined);
    });
  }
});

describe('resourceValue', () => {
  const of = pod({ resources: { limits: { cpu: '1500m', memory: '1Gi' }, requests: { memory: '100M' } } });
  const cases = [
    ['limits.cpu', undefined, '2'],
    ['limits.cpu', '1m', '1500'],
    ['limits.memory', '1Mi', '1024'],
    ['requests.memory', undefined, '100000000'],
    ['requests.cpu', undefined, '0'],
  ] as const;
  for (const [resource, divisor, expected] of cases) {
    it(`${resource} in ${divisor ?? 'whole units'}`, () =>
      assert.equal(resourceValue(of, { containerName: 'main', resource, divisor }), expected));
  }
});

describe('fieldValue', () => {
  const cases = [
    ['metadata.name', 'p'],
    ["metadata.labels['app']", 'web'],
    ["metadata.annotations['none']", ''],
    ['metadata.labels', 'app="web"\nb="x\\"y"'],
    ['spec.nodeName', 'node-1'],
    ['status.hostIP', '10.89.0.11'],
  ] as const;
  for (const [path, expected] of cases) {
    it(path, () => assert.equal(fieldValue(pod({}), path, { nodeIp: '10.89.0.11' }), expected));
  }
  for (const path of ['spec.nosuch', 'constructor']) {
    it(`refuses ${path}`, () =>
      assert.throws(() => fieldValue(pod({}), path, { nodeIp: '' }), /unsupported fieldPath/));
  }
});
