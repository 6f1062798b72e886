import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../api/types.ts';
import { createFilter } from './filters.ts';
import { podRequests } from './requests.ts';
import { info, node, type PodOptions, pod, stateOf } from './scheduler.fixture.ts';

/** Reasons of each node that is no choice, by its name. */
function misfits(wanted: PodOptions, nodes: readonly Node[], pods: readonly Pod[] = [], sources = {}) {
  const state = stateOf(nodes, pods, sources);
  const filter = createFilter(info('p', wanted), state);
  const found = state.nodes().map((at) => [at.name, filter(at)?.reasons.join(', ')] as const);
  return Object.fromEntries(found.filter(([, reasons]) => reasons !== undefined));
}

const TAINT = { key: 'dedicated', value: 'x', effect: 'NoSchedule' };

test('a pod is kept off nodes that it does not tolerate or choose', () => {
  const tolerate = (toleration: object) => ({ tolerations: [toleration] });
  const tainted = node('a', { spec: { taints: [TAINT] } });
  const affinity = (...nodeSelectorTerms: object[]) => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
  });
  const expression = (key: string, operator: string, ...values: string[]) => ({
    matchExpressions: [{ key, operator, values }],
  });
  const labelled = node('a', { labels: { zone: 'z1', cores: '8' } });
  const OTHER = "node(s) didn't match Pod's node affinity/selector";
  const rows: [string, PodOptions, Node, string | undefined][] = [
    ['room', {}, node('a'), undefined],
    ['cordoned', {}, node('a', { spec: { unschedulable: true } }), 'node(s) were unschedulable'],
    [
      'cordoned, tolerated',
      tolerate({ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }),
      node('a', { spec: { unschedulable: true } }),
      undefined,
    ],
    ['tainted', {}, tainted, 'node(s) had untolerated taint(s)'],
    ['tolerated by value', tolerate({ key: 'dedicated', value: 'x' }), tainted, undefined],
    ['other value', tolerate({ key: 'dedicated', value: 'y' }), tainted, 'node(s) had untolerated taint(s)'],
    [
      'other effect',
      tolerate({ key: 'dedicated', operator: 'Exists', effect: 'NoExecute' }),
      tainted,
      'node(s) had untolerated taint(s)',
    ],
    ['tolerates all', tolerate({ operator: 'Exists' }), tainted, undefined],
    ['preferred taint', {}, node('a', { spec: { taints: [{ ...TAINT, effect: 'PreferNoSchedule' }] } }), undefined],
    ['selector', { nodeSelector: { zone: 'z1' } }, labelled, undefined],
    ['other selector', { nodeSelector: { zone: 'z2' } }, labelled, OTHER],
    ['In', affinity(expression('zone', 'In', 'z2', 'z1')), labelled, undefined],
    ['NotIn', affinity(expression('zone', 'NotIn', 'z1')), labelled, OTHER],
    ['NotIn without the label', affinity(expression('rack', 'NotIn', 'z1')), labelled, undefined],
    ['Exists', affinity(expression('rack', 'Exists')), labelled, OTHER],
    ['DoesNotExist', affinity(expression('rack', 'DoesNotExist')), labelled, undefined],
    ['Gt', affinity(expression('cores', 'Gt', '7')), labelled, undefined],
    ['Gt, equal', affinity(expression('cores', 'Gt', '8')), labelled, OTHER],
    ['Lt', affinity(expression('cores', 'Lt', '9')), labelled, undefined],
    ['Lt of no number', affinity(expression('zone', 'Lt', '9')), labelled, OTHER],
    [
      'all expressions',
      affinity({
        matchExpressions: [
          { key: 'zone', operator: 'Exists' },
          { key: 'rack', operator: 'Exists' },
        ],
      }),
      labelled,
      OTHER,
    ],
    ['any term', affinity(expression('rack', 'Exists'), expression('zone', 'Exists')), labelled, undefined],
    ['empty term', affinity({}), labelled, OTHER],
    [
      'field',
      affinity({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] }),
      labelled,
      undefined,
    ],
    [
      'other field',
      affinity({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }),
      labelled,
      OTHER,
    ],
    [
      'selector and affinity',
      { nodeSelector: { zone: 'z2' }, ...affinity(expression('zone', 'Exists')) },
      labelled,
      OTHER,
    ],
  ];
  for (const [name, wanted, at, reason] of rows) assert.equal(misfits(wanted, [at])['a'], reason, name);
});

test('a pod needs room and free ports', () => {
  const port = (hostPort: number, more: object = {}) => ({
    containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort, ...more }] }],
  });
  const TAKEN = "node(s) didn't have free ports for the requested pod ports";
  const rows: [string, PodOptions, Pod[], string | undefined][] = [
    ['cpu', { requests: { cpu: '1500m' } }, [pod('q', { node: 'a', requests: { cpu: '600m' } })], 'Insufficient cpu'],
    ['just enough', { requests: { cpu: '1400m' } }, [pod('q', { node: 'a', requests: { cpu: '600m' } })], undefined],
    ['both', { requests: { cpu: '3', memory: '5Gi' } }, [], 'Insufficient cpu, Insufficient memory'],
    ['extended', { requests: { 'example.com/gpu': '1' } }, [], 'Insufficient example.com/gpu'],
    ['pods', {}, ['1', '2', '3'].map((name) => pod(name, { node: 'a' })), 'Too many pods'],
    ['pods on another node', {}, ['1', '2', '3'].map((name) => pod(name, { node: 'b' })), undefined],
    ['port', port(8080), [pod('q', { node: 'a', ...port(8080) })], TAKEN],
    ['other port', port(8080), [pod('q', { node: 'a', ...port(8081) })], undefined],
    ['other protocol', port(8080), [pod('q', { node: 'a', ...port(8080, { protocol: 'UDP' }) })], undefined],
    [
      'other address',
      port(80, { hostIP: '10.0.0.1' }),
      [pod('q', { node: 'a', ...port(80, { hostIP: '10.0.0.2' }) })],
      undefined,
    ],
    ['any address', port(80), [pod('q', { node: 'a', ...port(80, { hostIP: '10.0.0.2' }) })], TAKEN],
  ];
  for (const [name, wanted, there, reason] of rows)
    assert.equal(misfits(wanted, [node('a')], there)['a'], reason, name);
});

test('podRequests() counts init containers, sidecars and overhead as they use a node', () => {
  const container = (cpu: string, more: object = {}) => ({
    name: 'c',
    image: 'i',
    resources: { requests: { cpu } },
    ...more,
  });
  const sidecar = (cpu: string) => container(cpu, { restartPolicy: 'Always' });
  const rows: [string, object, number][] = [
    ['sum', { containers: [container('100m'), container('0.2')] }, 300],
    [
      'large init container',
      { containers: [container('100m')], initContainers: [container('1'), container('500m')] },
      1000,
    ],
    ['sidecar', { containers: [container('100m')], initContainers: [sidecar('200m'), container('50m')] }, 300],
    [
      'init container beside a sidecar',
      { containers: [container('100m')], initContainers: [sidecar('200m'), container('500m')] },
      700,
    ],
    [
      'init container before a sidecar',
      { containers: [container('100m')], initContainers: [container('500m'), sidecar('200m')] },
      500,
    ],
    ['overhead', { containers: [container('100m')], overhead: { cpu: '20m' } }, 120],
    ['of the pod', { containers: [container('100m')], resources: { requests: { cpu: '1' } } }, 1000],
    ['limit alone', { containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: '300m' } } }] }, 300],
  ];
  for (const [name, spec, cpu] of rows) assert.equal(podRequests(spec as never).get('cpu'), cpu, name);
});

test('pods are together or apart by the labels of their nodes', () => {
  const nodes = [
    node('a', { labels: { zone: '1' } }),
    node('b', { labels: { zone: '1' } }),
    node('c', { labels: { zone: '2' } }),
    node('d'),
  ];
  const term = (app: string, topologyKey = 'zone', more: object = {}) => ({
    labelSelector: { matchLabels: { app } },
    topologyKey,
    ...more,
  });
  const withAffinity = (kind: 'podAffinity' | 'podAntiAffinity', ...terms: object[]) => ({
    affinity: { [kind]: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
  });
  const web = pod('web', { node: 'a', labels: { app: 'web' } });
  const elsewhere = pod('web2', { node: 'c', namespace: 'other', labels: { app: 'web' } });
  const AFFINITY = "node(s) didn't match pod affinity rules";
  const ANTI = "node(s) didn't match pod anti-affinity rules";
  const EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules";
  const jealous = pod('jealous', {
    node: 'c',
    ...withAffinity('podAntiAffinity', term('web', 'kubernetes.io/hostname')),
  });
  const rows: [string, PodOptions, Pod[], object][] = [
    ['with', withAffinity('podAffinity', term('web')), [web], { c: AFFINITY, d: AFFINITY }],
    ['with none', withAffinity('podAffinity', term('web')), [], { a: AFFINITY, b: AFFINITY, c: AFFINITY, d: AFFINITY }],
    ['with itself', { labels: { app: 'web' }, ...withAffinity('podAffinity', term('web')) }, [], { d: AFFINITY }],
    [
      'own namespace',
      withAffinity('podAffinity', term('web')),
      [elsewhere],
      { a: AFFINITY, b: AFFINITY, c: AFFINITY, d: AFFINITY },
    ],
    [
      'named namespace',
      withAffinity('podAffinity', term('web', 'zone', { namespaces: ['other'] })),
      [web, elsewhere],
      { a: AFFINITY, b: AFFINITY, d: AFFINITY },
    ],
    [
      'selected namespaces',
      withAffinity('podAffinity', term('web', 'zone', { namespaceSelector: { matchLabels: { team: 'x' } } })),
      [web, elsewhere],
      { a: AFFINITY, b: AFFINITY, d: AFFINITY },
    ],
    [
      'all namespaces',
      withAffinity('podAffinity', term('web', 'zone', { namespaceSelector: {} })),
      [web, elsewhere],
      { d: AFFINITY },
    ],
    [
      'two kinds at once',
      withAffinity('podAffinity', term('web'), term('db')),
      [web, pod('db', { node: 'a', labels: { app: 'db' } })],
      { a: AFFINITY, b: AFFINITY, c: AFFINITY, d: AFFINITY },
    ],
    ['apart', withAffinity('podAntiAffinity', term('web')), [web], { a: ANTI, b: ANTI }],
    ['apart by node', withAffinity('podAntiAffinity', term('web', 'kubernetes.io/hostname')), [web], { a: ANTI }],
    ['kept apart by another', { labels: { app: 'web' } }, [jealous], { c: EXISTING }],
    ['of no concern', { labels: { app: 'db' } }, [jealous], {}],
    [
      'same revision alone',
      {
        labels: { app: 'web', rev: '2' },
        ...withAffinity('podAntiAffinity', term('web', 'zone', { matchLabelKeys: ['rev'] })),
      },
      [web],
      {},
    ],
  ];
  const sources = { namespaceLabels: (name: string) => (name === 'other' ? { team: 'x' } : {}) };
  for (const [name, wanted, there, expected] of rows)
    assert.deepEqual(misfits(wanted, nodes, there, sources), expected, name);
});

test('topology spread constraints that must hold keep domains even', () => {
  const nodes = [
    node('a', { labels: { zone: '1' } }),
    node('b', { labels: { zone: '1' } }),
    node('c', { labels: { zone: '2' } }),
    node('d'),
  ];
  const on = (...names: string[]) => names.map((at, index) => pod(`w${index}`, { node: at, labels: { app: 'web' } }));
  const spread = (more: object = {}) => ({
    labels: { app: 'web' },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { app: 'web' } },
        ...more,
      },
    ],
  });
  const UNEVEN = "node(s) didn't match pod topology spread constraints";
  const MISSING = `${UNEVEN} (missing required label)`;
  const rows: [string, PodOptions, Pod[], object][] = [
    ['even', spread(), on('a', 'c'), { d: MISSING }],
    ['one more', spread(), on('a'), { a: UNEVEN, b: UNEVEN, d: MISSING }],
    ['more skew', spread({ maxSkew: 2 }), on('a'), { d: MISSING }],
    ['too few domains', spread({ minDomains: 3 }), on('a', 'c'), { a: UNEVEN, b: UNEVEN, c: UNEVEN, d: MISSING }],
    [
      'ending pods do not count',
      spread(),
      [pod('e', { node: 'a', labels: { app: 'web' }, ending: true })],
      { d: MISSING },
    ],
    ['other pods do not count', spread(), [pod('o', { node: 'a' })], { d: MISSING }],
    ['preferred only', { ...spread({ whenUnsatisfiable: 'ScheduleAnyway' }) }, on('a'), {}],
    [
      'zones that it may not be in do not count',
      { ...spread(), nodeSelector: { zone: '1' } },
      on('a'),
      {
        c: "node(s) didn't match Pod's node affinity/selector",
        d: "node(s) didn't match Pod's node affinity/selector",
      },
    ],
    [
      'unless they should',
      { ...spread({ nodeAffinityPolicy: 'Ignore' }), nodeSelector: { zone: '1' } },
      on('a'),
      {
        a: UNEVEN,
        b: UNEVEN,
        c: "node(s) didn't match Pod's node affinity/selector",
        d: "node(s) didn't match Pod's node affinity/selector",
      },
    ],
    [
      'by revision',
      { ...spread({ matchLabelKeys: ['rev'] }), labels: { app: 'web', rev: '2' } },
      on('a'),
      { d: MISSING },
    ],
  ];
  for (const [name, wanted, there, expected] of rows) assert.deepEqual(misfits(wanted, nodes, there), expected, name);
});
