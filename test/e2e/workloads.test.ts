import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { ROOT } from '../source.ts';
import { kubectl, kubectlEnvironment, obstacle, plan, startCluster, stopCluster } from './cluster.ts';

async function apply(manifest: string): Promise<void> {
  const options = { env: kubectlEnvironment('1.35'), cwd: ROOT, input: manifest, timeoutMs: 60_000 };
  await run(['kubectl', 'apply', '-f', '-'], options);
}

/** The words that a JSONPath finds. */
async function look(path: string, ...words: string[]): Promise<string[]> {
  const text = await kubectl('get', ...words, '-o', `jsonpath=${path}`);
  return text.split(/\s+/).filter((word) => word !== '');
}

const STATEFUL = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: db
        image: nginx:stable
        command: [sh, -c, "hostname >> /data/who; exec nginx -g 'daemon off;'"]
        readinessProbe: {httpGet: {port: 80}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
`;

const INDEXED = `
apiVersion: batch/v1
kind: Job
metadata: {name: indexed}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: busybox, command: [sh, -c, 'echo index $JOB_COMPLETION_INDEX']}]
`;

const DAEMONS = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: log}
spec:
  selector: {matchLabels: {app: log}}
  template:
    metadata: {labels: {app: log}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: nginx:stable}]}
`;

const GUARDED = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: guarded}
spec:
  replicas: 3
  selector: {matchLabels: {app: guarded}}
  template:
    metadata: {labels: {app: guarded}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: nginx:stable}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guarded}
spec: {minAvailable: 2, selector: {matchLabels: {app: guarded}}}
`;

describe('workloads', { skip: obstacle() ?? false }, () => {
  before(startCluster);
  after(async () => assert.deepEqual(await stopCluster(), []));

  test('a StatefulSet’s pods have names and disks of their own, which they find again', async () => {
    await apply(STATEFUL);
    await kubectl('rollout', 'status', 'sts/db', '--timeout=60s');
    const address = await look('{.status.podIP}', 'pod', 'db-1');
    const ask = ['--restart=Never', '--rm', '-i', '--', 'nslookup', 'db-1.db.default.svc.cluster.local'];
    const answer = await kubectl('run', 'ask', '--image=busybox', ...ask);
    assert.ok(answer.includes(`Address: ${address[0]}`), answer);
    const [node] = await look('{.spec.nodeName}', 'pod', 'db-1');
    await kubectl('rollout', 'restart', 'sts/db');
    await kubectl('rollout', 'status', 'sts/db', '--timeout=60s');
    assert.equal(await kubectl('exec', 'db-1', '--', 'cat', '/data/who'), 'db-1\ndb-1\n');
    assert.deepEqual(await look('{.spec.nodeName}', 'pod', 'db-1'), [node]);
    await kubectl('rollout', 'undo', 'sts/db');
    await kubectl('rollout', 'status', 'sts/db', '--timeout=60s');
    assert.match(await kubectl('rollout', 'history', 'sts/db'), /^2 .*\n3 /m);
    await kubectl('delete', 'sts/db', '--wait');
    await kubectl('delete', 'pvc', '--all', '--wait', '--timeout=30s');
    await kubectl('wait', '--for=delete', 'pv', '--all', '--timeout=30s');
  });

  test('Jobs complete or fail, and a CronJob’s can be made by hand', async () => {
    await apply(INDEXED);
    await kubectl('create', 'cronjob', 'tick', '--image=busybox', '--schedule=0 0 1 1 *', '--', 'echo', 'tick');
    await kubectl('create', 'job', 'now', '--from=cronjob/tick');
    await kubectl('create', 'job', 'wrong', '--image=busybox', '--', 'false');
    await kubectl('patch', 'job/wrong', '-p', '{"spec":{"backoffLimit":0}}');
    await kubectl('wait', '--for=condition=complete', 'job/indexed', 'job/now', '--timeout=60s');
    await kubectl('wait', '--for=condition=failed', 'job/wrong', '--timeout=60s');
    const logs = await kubectl('logs', '-l', 'job-name=indexed');
    assert.deepEqual(logs.trim().split('\n').sort(), ['index 0', 'index 1', 'index 2']);
    assert.deepEqual(await look('{.status.completedIndexes}', 'job', 'indexed'), ['0-2']);
    await kubectl('delete', 'job', '--all', '--wait', '--timeout=30s');
    assert.deepEqual(await look('{.items[*].metadata.name}', 'pods', '-l', 'job-name'), []);
  });

  test('a DaemonSet is on every node, and is replaced node by node', async () => {
    await apply(DAEMONS);
    await kubectl('rollout', 'status', 'ds/log', '--timeout=60s');
    const nodes = await look('{.items[*].spec.nodeName}', 'pods', '-l', 'app=log');
    assert.deepEqual(nodes.sort(), plan.nodes.map(({ name }) => name).sort());
    await kubectl('set', 'image', 'ds/log', 'c=nginx:latest');
    await kubectl('rollout', 'status', 'ds/log', '--timeout=60s');
    const images = await look('{.items[*].spec.containers[0].image}', 'pods', '-l', 'app=log');
    assert.deepEqual(new Set(images), new Set(['nginx:latest']));
  });

  test('draining nodes one after another leaves what a budget guards, and the daemons', async () => {
    await apply(GUARDED);
    await kubectl('rollout', 'status', 'deploy/guarded', '--timeout=60s');
    await kubectl('wait', '--for=jsonpath={.status.disruptionsAllowed}=1', 'pdb/guarded', '--timeout=30s');
    for (const { name } of plan.nodes.slice(0, 2)) {
      await kubectl('drain', name, '--ignore-daemonsets', '--force', '--delete-emptydir-data', '--timeout=60s');
      assert.ok((await look('{.status.currentHealthy}', 'pdb', 'guarded')).every((healthy) => Number(healthy) >= 2));
    }
    const nodes = await look('{.items[*].spec.nodeName}', 'pods', '-l', 'app=guarded');
    assert.deepEqual(new Set(nodes), new Set([plan.nodes[2]!.name]));
    assert.equal((await look('{.items[*].spec.nodeName}', 'pods', '-l', 'app=log')).length, 3);
    await kubectl('patch', 'pdb/guarded', '--type=merge', '-p', '{"spec":{"minAvailable":3}}');
    await kubectl('wait', '--for=jsonpath={.status.disruptionsAllowed}=0', 'pdb/guarded', '--timeout=30s');
    const refused = kubectl('drain', plan.nodes[2]!.name, '--ignore-daemonsets', '--force', '--timeout=1s');
    await assert.rejects(refused, /Cannot evict pod as it would violate the pod's disruption budget/);
  });
});
