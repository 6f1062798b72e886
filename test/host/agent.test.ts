import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { rotateOnce } from '../../src/agent/log-rotation.ts';
import { configMaps } from '../../src/api/kinds/configmap.ts';
import { events } from '../../src/api/kinds/event.ts';
import { nodes } from '../../src/api/kinds/node.ts';
import type { Pod } from '../../src/api/types.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { AgentBench, isReady } from './agent-fixture.ts';
import { enterOwnNetwork, NODE_IP, TestContainerd, whyNoContainers } from './containerd-fixture.ts';

const skip = whyNoContainers() ?? false;

describe('agent over a real containerd', { skip, timeout: 300_000 }, () => {
  let containerd: TestContainerd;
  let bench: AgentBench;

  before(async () => {
    await enterOwnNetwork();
    containerd = await TestContainerd.start();
    bench = await AgentBench.start(containerd);
  });

  after(async () => {
    await bench?.stop();
    await containerd?.stop();
  });

  const sh = (script: string) => ({ command: ['sh', '-c', script] });
  const firstStatus = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0];
  const waitingFor = (name: string, reason: string) =>
    bench.waitPod(name, (pod) => firstStatus(pod)?.state?.waiting?.reason === reason && pod);
  const inPhase = (name: string, phase: string) => bench.waitPod(name, (pod) => pod?.status?.phase === phase && pod);
  const out = async (name: string, script: string) => (await bench.exec(name, ['sh', '-c', script])).stdout;
  const remove = async (...names: string[]) => {
    for (const name of names) await bench.deletePod(name, 0);
    for (const name of names) await bench.gone(name);
  };
  const eventsOf = async (name: string) => {
    const { items } = await bench.client.list(events, { namespace: 'default' });
    return items
      .filter((event) => event.involvedObject.name === name)
      .map(({ reason, message }) => `${reason}: ${message}`);
  };

  it('registers a ready node', async () => {
    const node = await bench.client.get(nodes, { name: 'node-1' });
    const { conditions, addresses, nodeInfo, capacity } = node.status!;
    assert.equal(conditions!.find(({ type }) => type === 'Ready')!.status, 'True');
    assert.deepEqual(addresses, [
      { type: 'InternalIP', address: NODE_IP },
      { type: 'Hostname', address: 'node-1' },
    ]);
    assert.match(nodeInfo!.containerRuntimeVersion, /^containerd:\/\/1\./);
    assert.equal(capacity!['pods'], '110');
  });

  it('runs a pod, shows its status and events, and ends it', async () => {
    await bench.createPod('plain', {}, sh('echo one; echo two; sleep 1000'));
    const { status } = await bench.running('plain');
    assert.match(status!.podIP!, /^10\.244\.1\./);
    assert.deepEqual([status!.hostIP, status!.qosClass], [NODE_IP, 'BestEffort']);
    const container = status!.containerStatuses![0]!;
    assert.match(container.containerID!, /^containerd:\/\/[0-9a-f]{64}$/);
    assert.deepEqual([container.ready, container.started, container.restartCount], [true, true, 0]);
    const types = status!.conditions!.map(({ type, status }) => `${type}=${status}`).sort();
    assert.deepEqual(types, [
      'ContainersReady=True',
      'Initialized=True',
      'PodReadyToStartContainers=True',
      'Ready=True',
    ]);
    await bench.deletePod('plain');
    await bench.gone('plain');
    assert.deepEqual(await eventsOf('plain'), [
      'Pulled: Container image "sampan.dev/test:1" already present on machine',
      'Created: Created container: main',
      'Started: Started container main',
      'Killing: Stopping container main',
    ]);
    assert.deepEqual(await readdir(join(containerd.directory, 'agent/pods')), []);
  });

  it('serves logs', async () => {
    await bench.createPod(
      'logs',
      {},
      sh('for i in 1 2 3 4 5; do echo line $i; done; sleep 0.1; echo err >&2; sleep 1000'),
    );
    await bench.running('logs');
    await bench.waitLog('logs', 'line 1\nline 2\nline 3\nline 4\nline 5\nerr\n');
    assert.equal(await bench.logs('logs', 'tailLines=2'), 'line 5\nerr\n');
    assert.equal(await bench.logs('logs', 'tailLines=0'), '');
    assert.equal(await bench.logs('logs', 'limitBytes=8'), 'line 1\nl');
    assert.match(await bench.logs('logs', 'tailLines=1&timestamps=true'), /^\d{4}-\d\d-\d\dT[\d:.]+Z err\n$/);
    assert.equal(await bench.logs('logs', `sinceTime=${new Date(Date.now() + 60_000).toISOString()}`), '');
    assert.equal((await bench.get('/containerLogs/default/nosuch/main')).status, 404);
    assert.deepEqual(
      JSON.parse((await bench.get('/pods')).text).items.map((pod: Pod) => pod.metadata.name),
      ['logs'],
    );
    assert.equal((await bench.get('/pods', 'nodes/node-1/kubelet-client')).status, 403);
    assert.equal((await bench.get('/containerLogs/default/logs/other')).status, 400);
    assert.equal((await bench.get('/containerLogs/default/logs/main?previous=true')).status, 400);
    await remove('logs');
  });

  it('follows logs until the container ends', async () => {
    await bench.createPod('follow', { restartPolicy: 'Never' }, sh('echo a; sleep 0.3; echo b; sleep 0.3; echo c'));
    await bench.running('follow');
    assert.equal(await bench.logs('follow', 'follow=true'), 'a\nb\nc\n');
    await inPhase('follow', 'Succeeded');
    assert.equal(await bench.logs('follow', 'follow=true'), 'a\nb\nc\n');
    await remove('follow');
  });

  it('begins a new log when one is too long', async () => {
    await bench.createPod(
      'chatty',
      {},
      sh('echo first; until test -e /go; do sleep 0.02; done; echo second; sleep 1000'),
    );
    const { metadata } = await bench.running('chatty');
    const runtime = containerd.connect();
    const stateDir = join(containerd.directory, 'agent');
    const rotation = {
      runtime,
      stateDir,
      clock: systemClock,
      log: silentLogger,
      signal: AbortSignal.abort(),
      maxBytes: 10,
    };
    await bench.waitLog('chatty', 'first\n');
    await rotateOnce(rotation);
    runtime.close();
    await out('chatty', 'touch /go');
    await bench.waitLog('chatty', 'second\n');
    const files = await readdir(join(stateDir, `logs/default_chatty_${metadata.uid}/main`));
    assert.match(files.sort().join(' '), /^0\.log 0\.log\.\d{17}$/);
    await remove('chatty');
  });

  it('executes commands', async () => {
    await bench.createPod('exec', {}, {});
    await bench.running('exec');
    const cases = [
      { command: ['cat'], stdin: 'hello\n', expect: { stdout: 'hello\n', stderr: '', status: 'Success' } },
      {
        command: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
        expect: { stdout: 'out\n', stderr: 'err\n', status: '3' },
      },
      {
        command: ['wc', '-c'],
        stdin: 'x'.repeat(3_000_000),
        expect: { stdout: '3000000\n', stderr: '', status: 'Success' },
      },
      {
        command: ['sh', '-c', 'read x; echo got $x; exit 4'],
        tty: true,
        stdin: 'a\n',
        keepOpen: true,
        expect: { stdout: 'a\r\ngot a\r\n', stderr: '', status: '4' },
      },
      {
        command: ['sh', '-c', 'sleep 0.3; busybox stty size; read x'],
        tty: true,
        stdin: '\n',
        keepOpen: true,
        resize: { Width: 100, Height: 30 },
        expect: { stdout: '\r\n30 100\r\n', stderr: '', status: 'Success' },
      },
    ];
    for (const { command, expect, ...options } of cases) {
      const { stdout, stderr, status } = await bench.exec('exec', command, options);
      const ended = status.details?.causes[0].message ?? status.status;
      assert.deepEqual({ stdout, stderr, status: ended }, expect, command.join(' '));
    }
    const missing = await bench.exec('exec', ['nosuch']);
    assert.match(missing.status.message, /executable file not found in \$PATH/);
    await remove('exec');
  });

  it('attaches to the main process', async () => {
    await bench.createPod(
      'attach',
      { restartPolicy: 'Never' },
      { ...sh('read x; echo got $x; cat'), stdin: true, stdinOnce: true },
    );
    await bench.running('attach');
    const path = '/attach/default/attach/main?stdin=true&stdout=true&stderr=true';
    const { stdout } = await bench.session(path, { stdin: 'a\nb\n' });
    assert.equal(stdout, 'got a\nb\n');
    await inPhase('attach', 'Succeeded');
    const shell = { command: ['sh'], stdin: true, stdinOnce: true, tty: true };
    await bench.createPod('shell', { restartPolicy: 'Never' }, shell);
    await bench.running('shell');
    // The client does not say that there is a terminal: the container has one.
    const tty = '/attach/default/shell/main?stdin=true&stdout=true&stderr=true';
    const session = await bench.session(tty, { stdin: 'echo $((6 * 7))\nexit 9\n' });
    assert.match(session.stdout, /\r\n42\r\n/);
    const { status } = await inPhase('shell', 'Failed');
    assert.equal(status!.containerStatuses![0]!.state!.terminated!.exitCode, 9);
    await remove('attach', 'shell');
  });

  it('shows how containers end, as the restart policy says', async () => {
    const cases = [
      { name: 'done', restartPolicy: 'Never', script: 'exit 0', phase: 'Succeeded', exitCode: 0, reason: 'Completed' },
      { name: 'failed', restartPolicy: 'Never', script: 'exit 7', phase: 'Failed', exitCode: 7, reason: 'Error' },
      {
        name: 'once',
        restartPolicy: 'OnFailure',
        script: 'exit 0',
        phase: 'Succeeded',
        exitCode: 0,
        reason: 'Completed',
      },
    ] as const;
    for (const { name, restartPolicy, script } of cases) await bench.createPod(name, { restartPolicy }, sh(script));
    for (const { name, phase, exitCode, reason } of cases) {
      const pod = await inPhase(name, phase);
      const ended = firstStatus(pod)!.state!.terminated!;
      assert.deepEqual([ended.exitCode, ended.reason], [exitCode, reason]);
      assert.equal(isReady(pod), false);
    }
    await remove(...cases.map(({ name }) => name));
  });

  it('restarts with back-off, and keeps the last state, its message and its logs', async () => {
    await bench.createPod('crash', {}, sh('echo life; echo -n bye > /dev/termination-log; exit 5'));
    const { status } = await waitingFor('crash', 'CrashLoopBackOff');
    const container = status!.containerStatuses![0]!;
    assert.equal(container.restartCount, 1);
    assert.match(
      container.state!.waiting!.message!,
      /^back-off 10s restarting failed container=main pod=crash_default\(/,
    );
    const last = container.lastState!.terminated!;
    assert.deepEqual([last.exitCode, last.reason, last.message], [5, 'Error', 'bye']);
    assert.equal(status!.phase, 'Running');
    assert.equal(await bench.logs('crash', 'previous=true'), 'life\n');
    assert.ok(
      (await eventsOf('crash')).some((event) =>
        event.startsWith('BackOff: Back-off restarting failed container main in pod crash_default('),
      ),
    );
    await remove('crash');
  });

  it('takes the end of the log for a message where there is none', async () => {
    const container = { ...sh('echo what went wrong; exit 1'), terminationMessagePolicy: 'FallbackToLogsOnError' };
    await bench.createPod('words', { restartPolicy: 'Never' }, container);
    const pod = await inPhase('words', 'Failed');
    assert.equal(firstStatus(pod)!.state!.terminated!.message, 'what went wrong\n');
    await remove('words');
  });

  it('runs init containers one after the other', async () => {
    const init = (name: string, script: string) => ({
      name,
      image: 'sampan.dev/test:1',
      ...sh(script),
      volumeMounts: [mount],
    });
    const mount = { name: 'work', mountPath: '/data' };
    const initContainers = [init('first', 'sleep 0.2; echo 1 > /data/file'), init('second', 'echo 2 >> /data/file')];
    const created = bench.createPod(
      'init',
      { initContainers, volumes: [{ name: 'work', emptyDir: {} }] },
      { volumeMounts: [mount] },
    );
    await bench.waitPod('init', (pod) => firstStatus(pod)?.state?.waiting?.reason === 'PodInitializing');
    await created;
    const { status } = await bench.running('init');
    assert.equal(await out('init', 'cat /data/file'), '1\n2\n');
    assert.deepEqual(
      status!.initContainerStatuses!.map(({ state }) => state!.terminated!.reason),
      ['Completed', 'Completed'],
    );
    await remove('init');
  });

  it('runs sidecars before, beside and after the other containers', async () => {
    const path = join(containerd.directory, 'order');
    const volumes = [{ name: 'order', hostPath: { path, type: 'DirectoryOrCreate' } }] as NonNullable<
      Pod['spec']
    >['volumes'];
    const volumeMounts = [{ name: 'order', mountPath: '/order' }];
    const script = (name: string) =>
      `trap 'echo ${name} ended >> /order/log; exit 0' TERM; echo ${name} >> /order/log; while true; do sleep 0.02; done`;
    const sidecar = {
      name: 'side',
      image: 'sampan.dev/test:1',
      restartPolicy: 'Always',
      ...sh(script('side')),
      startupProbe: { exec: { command: ['cat', '/order/log'] }, periodSeconds: 1 },
      volumeMounts,
    };
    const first = { name: 'first', image: 'sampan.dev/test:1', ...sh('echo first >> /order/log'), volumeMounts };
    const spec = { initContainers: [sidecar, first], volumes, terminationGracePeriodSeconds: 10 };
    await bench.createPod('sidecar', spec, { ...sh(script('main')), volumeMounts });
    const { status } = await bench.running('sidecar');
    const side = status!.initContainerStatuses![0]!;
    assert.deepEqual([side.ready, side.started, side.state!.running !== undefined], [true, true, true]);
    await bench.deletePod('sidecar');
    await bench.gone('sidecar');
    assert.equal(await readFile(join(path, 'log'), 'utf8'), 'side\nfirst\nmain\nmain ended\nside ended\n');
  });

  it('fails a pod whose init container fails for good', async () => {
    const initContainers = [{ name: 'first', image: 'sampan.dev/test:1', ...sh('exit 1') }];
    await bench.createPod('badinit', { initContainers, restartPolicy: 'Never' });
    const { status } = await inPhase('badinit', 'Failed');
    assert.equal(status!.initContainerStatuses![0]!.state!.terminated!.exitCode, 1);
    await remove('badinit');
  });

  it('fills the environment', async () => {
    await bench.apply('/api/v1/namespaces/default/configmaps', {
      metadata: { name: 'settings' },
      data: { COLOR: 'blue', level: '3' },
    });
    await bench.apply('/api/v1/namespaces/default/secrets', {
      metadata: { name: 'keys' },
      data: { token: 'czNjcmV0' },
    });
    const spec = { clusterIP: '10.96.0.77', ports: [{ name: 'http', port: 80, targetPort: 8080 }] };
    await bench.apply('/api/v1/namespaces/default/services', { metadata: { name: 'my-web' }, spec });
    const field = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
    const env = [
      { name: 'LEVEL', valueFrom: { configMapKeyRef: { name: 'settings', key: 'level' } } },
      { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
      { name: 'ABSENT', valueFrom: { secretKeyRef: { name: 'nosuch', key: 'token', optional: true } } },
      { name: 'IP', ...field('status.podIP') },
      { name: 'NODE', ...field('spec.nodeName') },
      { name: 'LABEL', ...field("metadata.labels['app']") },
      { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory' } } },
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
      { name: 'URL', value: 'http://$(MY_WEB_SERVICE_HOST):$(MY_WEB_SERVICE_PORT_HTTP)/$$(x)' },
    ];
    const envFrom = [
      { prefix: 'P_', configMapRef: { name: 'settings' } },
      { secretRef: { name: 'nosuch', optional: true } },
    ];
    const limits = { memory: '64Mi', cpu: '500m' };
    await bench.createPod('env', {}, { env, envFrom, resources: { limits } });
    const { status } = await bench.running('env');
    const lines = new Set((await out('env', 'env')).split('\n'));
    const wanted = [
      'LEVEL=3',
      'TOKEN=s3cret',
      `IP=${status!.podIP}`,
      'NODE=node-1',
      'LABEL=',
      'MEMORY=67108864',
      'CPU=500',
      'P_COLOR=blue',
      'P_level=3',
      'URL=http://10.96.0.77:80/$(x)',
      'MY_WEB_SERVICE_HOST=10.96.0.77',
      'MY_WEB_PORT=tcp://10.96.0.77:80',
      'MY_WEB_PORT_80_TCP_ADDR=10.96.0.77',
      'HOSTNAME=env',
    ];
    assert.deepEqual(
      wanted.filter((line) => !lines.has(line)),
      [],
    );
    assert.equal(
      [...lines].some((line) => line.startsWith('ABSENT')),
      false,
    );
    await remove('env');
  });

  it('waits for a ConfigMap that is missing, and goes on when it comes', async () => {
    await bench.createPod('config', {}, { envFrom: [{ configMapRef: { name: 'later' } }] });
    const pod = await waitingFor('config', 'CreateContainerConfigError');
    assert.equal(firstStatus(pod)!.state!.waiting!.message, 'configmap "later" not found');
    await bench.apply('/api/v1/namespaces/default/configmaps', { metadata: { name: 'later' }, data: { A: '1' } });
    await bench.running('config');
    assert.ok((await eventsOf('config')).includes('Failed: Error: configmap "later" not found'));
    await remove('config');
  });

  it('reports images that are not there', async () => {
    const states = [waitingFor('noimage', 'ErrImagePull'), waitingFor('noimage', 'ImagePullBackOff')] as const;
    await bench.createPod('noimage', {}, { image: 'nosuch.invalid/app:1' });
    await bench.createPod('never', {}, { image: 'nosuch.invalid/app:1', imagePullPolicy: 'Never' });
    await waitingFor('never', 'ErrImageNeverPull');
    const [pod, later] = await Promise.all(states);
    const { text } = await bench.get('/containerLogs/default/noimage/main');
    assert.match(text, /is waiting to start: (image can't be pulled|trying and failing to pull image)/);
    assert.equal(pod.status!.phase, 'Pending');
    assert.match(firstStatus(later)!.state!.waiting!.message!, /^Back-off pulling image "nosuch.invalid\/app:1"/);
    const reasons = (await eventsOf('noimage')).map((event) => event.split(':')[0]);
    for (const reason of ['Pulling', 'Failed', 'BackOff']) assert.ok(reasons.includes(reason), reason);
    await remove('noimage', 'never');
  });

  it('makes volumes, and keeps what comes from the API current', async () => {
    await bench.apply('/api/v1/namespaces/default/configmaps', {
      metadata: { name: 'files' },
      data: { a: '1', b: '2' },
    });
    const projected = {
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
        { configMap: { name: 'files', items: [{ key: 'a', path: 'sub/a' }] } },
        { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
      ],
    };
    const volumes = [
      { name: 'files', configMap: { name: 'files', defaultMode: 0o400 } },
      { name: 'secret', secret: { secretName: 'keys' } },
      { name: 'all', projected },
      { name: 'scratch', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory' } },
      { name: 'host', hostPath: { path: join(containerd.directory, 'shared'), type: 'DirectoryOrCreate' } },
    ];
    const volumeMounts = [
      ...volumes.map(({ name }) => ({ name, mountPath: `/vol/${name}`, readOnly: name === 'secret' })),
      { name: 'files', mountPath: '/one', subPath: 'a' },
    ];
    await bench.createPod('volumes', { volumes: volumes as NonNullable<Pod['spec']>['volumes'] }, { volumeMounts });
    await bench.running('volumes');
    assert.equal(
      await out('volumes', 'cat /vol/files/a /vol/files/b /vol/secret/token /vol/all/sub/a /vol/all/name /one'),
      '12s3cret1volumes1',
    );
    assert.equal((await out('volumes', 'cat /vol/all/token')).split('.').length, 3);
    assert.equal(await out('volumes', 'busybox stat -Lc %a /vol/files/a'), '400\n');
    assert.equal(
      await out('volumes', 'echo x > /vol/scratch/x && cat /vol/scratch/x; touch /vol/secret/x 2>&1'),
      'x\ntouch: /vol/secret/x: Read-only file system\n',
    );
    assert.match(
      await out('volumes', 'grep " /vol/memory " /proc/mounts || busybox grep " /vol/memory " /proc/mounts'),
      /tmpfs/,
    );
    await out('volumes', 'echo shared > /vol/host/file');
    assert.equal(await readFile(join(containerd.directory, 'shared/file'), 'utf8'), 'shared\n');
    await bench.client.patch(
      configMaps,
      { name: 'files', namespace: 'default' },
      { type: 'merge', body: { data: { a: 'new', b: null } } },
    );
    const script = 'until [ "$(cat /vol/files/a)" = new ]; do sleep 0.05; done; ls /vol/files';
    assert.equal(await out('volumes', script), 'a\n');
    await remove('volumes');
  });

  it('says which volume could not be mounted', async () => {
    const volumes = [{ name: 'v', secret: { secretName: 'nosuch' } }];
    await bench.createPod('nomount', { volumes }, { volumeMounts: [{ name: 'v', mountPath: '/v' }] });
    await waitingFor('nomount', 'ContainerCreating');
    await bench.apply('/api/v1/namespaces/default/secrets', { metadata: { name: 'nosuch' }, data: {} });
    await bench.running('nomount');
    assert.ok(
      (await eventsOf('nomount')).includes(
        'FailedMount: MountVolume.SetUp failed for volume "v" : secret "nosuch" not found',
      ),
    );
    await remove('nomount');
  });

  it('gives names and name servers to pods', async () => {
    const hostAliases = [{ ip: '10.1.2.3', hostnames: ['foo', 'bar'] }];
    await bench.createPod('names', { hostAliases, hostname: 'web', subdomain: 'sub' });
    await bench.createPod('nodns', {
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['10.9.9.9'], searches: ['x.y'], options: [{ name: 'ndots', value: '2' }] },
    });
    await bench.createPod('hostnet', { hostNetwork: true });
    const { status } = await bench.running('names');
    assert.equal(await out('names', 'hostname'), 'web\n');
    const hosts = await out('names', 'cat /etc/hosts');
    assert.match(hosts, new RegExp(`${status!.podIP}\tweb.sub.default.svc.cluster.local\tweb\n`));
    assert.match(hosts, /10\.1\.2\.3\tfoo\tbar\n/);
    assert.equal(
      await out('names', 'cat /etc/resolv.conf'),
      'search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
    );
    await bench.running('nodns');
    assert.equal(await out('nodns', 'cat /etc/resolv.conf'), 'search x.y\nnameserver 10.9.9.9\noptions ndots:2\n');
    assert.equal((await bench.running('hostnet')).status!.podIP, NODE_IP);
    assert.match(await out('hostnet', 'busybox ip address'), /10\.89\.0\.11/);
    await remove('names', 'nodns', 'hostnet');
  });

  it('honours the security context', async () => {
    const securityContext = {
      runAsUser: 1000,
      runAsGroup: 1001,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    };
    const volumes = [
      { name: 'scratch', emptyDir: {} },
      { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o400 } },
    ];
    const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
    const shared = { securityContext: { fsGroup: 2000 }, volumes };
    await bench.createPod('secure', shared, { securityContext, volumeMounts });
    await bench.running('secure');
    assert.equal(await out('secure', 'id -u; id -g; id -G'), '1000\n1001\n1001 2000\n');
    assert.match(await out('secure', 'touch /x 2>&1'), /Read-only file system/);
    assert.equal(
      await out('secure', 'touch /scratch/x; busybox stat -c %g /scratch/x; cat /keys/token'),
      '2000\ns3cret',
    );
    assert.match(await out('secure', 'cat /proc/self/status'), /CapEff:\t0000000000000000\n/);
    await remove('secure');
  });

  it('refuses root where runAsNonRoot is set', async () => {
    await bench.createPod('nonroot', {}, { securityContext: { runAsNonRoot: true } });
    const pod = await waitingFor('nonroot', 'CreateContainerConfigError');
    assert.match(firstStatus(pod)!.state!.waiting!.message!, /^container has runAsNonRoot and image will run as root/);
    await remove('nonroot');
  });

  it('limits memory, and says when it was too little', async () => {
    const script = 'x=a; while true; do x=$x$x; done';
    await bench.createPod(
      'greedy',
      { restartPolicy: 'Never' },
      { ...sh(script), resources: { limits: { memory: '16Mi' } } },
    );
    const { status } = await inPhase('greedy', 'Failed');
    const { exitCode, reason } = status!.containerStatuses![0]!.state!.terminated!;
    assert.deepEqual([exitCode, reason], [137, 'OOMKilled']);
    await remove('greedy');
  });

  it('is ready when its probe says so, and not when not', async () => {
    const readinessProbe = { httpGet: { path: '/ok', port: 'web' }, periodSeconds: 1, failureThreshold: 1 };
    const script = 'mkdir -p /tmp/www; exec busybox httpd -f -p 8080 -h /tmp/www';
    await bench.createPod(
      'probed',
      {},
      { ...sh(script), ports: [{ name: 'web', containerPort: 8080 }], readinessProbe },
    );
    await bench.waitPod('probed', (pod) => firstStatus(pod)?.state?.running && !isReady(pod!) && pod);
    await out('probed', 'touch /tmp/www/ok');
    await bench.running('probed');
    await out('probed', 'busybox rm /tmp/www/ok');
    const pod = await bench.waitPod('probed', (pod) => !isReady(pod!) && pod);
    const condition = pod.status!.conditions!.find(({ type }) => type === 'Ready')!;
    assert.deepEqual(
      [condition.reason, condition.message],
      ['ContainersNotReady', 'containers with unready status: [main]'],
    );
    assert.ok(
      (await eventsOf('probed')).includes('Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 404'),
    );
    await remove('probed');
  });

  it('restarts what fails its liveness or startup probe', async () => {
    const fails = { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 };
    await bench.createPod('dead', {}, { livenessProbe: fails });
    await bench.createPod(
      'unborn',
      {},
      { startupProbe: { tcpSocket: { port: 81 }, periodSeconds: 1, failureThreshold: 1 } },
    );
    for (const name of ['dead', 'unborn']) {
      const pod = await bench.waitPod(name, (pod) => (firstStatus(pod)?.restartCount ?? 0) > 0 && pod);
      assert.equal(firstStatus(pod)!.lastState!.terminated!.exitCode, 137);
    }
    const told = [...(await eventsOf('dead')), ...(await eventsOf('unborn'))];
    assert.ok(told.includes('Killing: Container main failed liveness probe, will be restarted'));
    assert.ok(told.includes('Killing: Container main failed startup probe, will be restarted'));
    await remove('dead', 'unborn');
  });

  it('runs hooks', async () => {
    const path = join(containerd.directory, 'hooks');
    const volumes = [{ name: 'h', hostPath: { path, type: 'DirectoryOrCreate' } }];
    const say = (word: string) => ({ exec: { command: ['sh', '-c', `echo ${word} >> /h/log`] } });
    const lifecycle = { postStart: say('start'), preStop: say('stop') };
    const script = "trap 'echo term >> /h/log; exit 0' TERM; while true; do sleep 0.05; done";
    await bench.createPod(
      'hooks',
      { volumes: volumes as NonNullable<Pod['spec']>['volumes'], terminationGracePeriodSeconds: 10 },
      { ...sh(script), lifecycle, volumeMounts: [{ name: 'h', mountPath: '/h' }] },
    );
    await bench.running('hooks');
    await bench.deletePod('hooks');
    await bench.gone('hooks');
    assert.equal(await readFile(join(path, 'log'), 'utf8'), 'start\nstop\nterm\n');
    await bench.createPod(
      'badhook',
      { restartPolicy: 'Never', terminationGracePeriodSeconds: 0 },
      { lifecycle: { postStart: { exec: { command: ['false'] } } } },
    );
    await inPhase('badhook', 'Failed');
    assert.ok((await eventsOf('badhook')).includes('FailedPostStartHook: PostStartHook failed'));
    await remove('badhook');
  });

  it('keeps serving while it ends, and hurries when asked to', async () => {
    await bench.createPod(
      'stubborn',
      { terminationGracePeriodSeconds: 600 },
      sh("trap '' TERM; while true; do sleep 0.05; done"),
    );
    await bench.running('stubborn');
    await bench.deletePod('stubborn');
    const ending = await bench.waitPod('stubborn', (pod) => pod?.metadata.deletionTimestamp !== undefined && pod);
    assert.equal(isReady(ending), true);
    await bench.deletePod('stubborn', 1);
    await bench.gone('stubborn');
  });

  it('ends pods that are gone from the API, and starts new ones of the same name', async () => {
    const first = await bench.createPod('again', {});
    await bench.running('again');
    await bench.deletePod('again', 0);
    const second = await bench.createPod('again', {});
    assert.notEqual(second.metadata.uid, first.metadata.uid);
    await bench.waitPod('again', (pod) => pod?.metadata.uid === second.metadata.uid && isReady(pod!));
    await remove('again');
    await containerd.whenEmpty();
  });

  it('adopts its pods when it starts again', async () => {
    const readinessProbe = { exec: { command: ['true'] }, periodSeconds: 1 };
    const names = ['stays', 'ends', 'deleted', 'forced'];
    for (const name of names)
      await bench.createPod(name, { restartPolicy: 'Never' }, name === 'ends' ? sh('sleep 1') : { readinessProbe });
    const before = await Promise.all(names.map((name) => bench.running(name)));
    await bench.stopAgent();
    await bench.deletePod('deleted');
    await bench.deletePod('forced', 0);
    await containerd.whenExited(firstStatus(before[1])!.containerID!);
    await bench.startAgent();
    await Promise.all([inPhase('ends', 'Succeeded'), bench.gone('deleted'), bench.gone('forced')]);
    const after = await bench.running('stays');
    assert.deepEqual(after.status, before[0]!.status);
    await remove('stays', 'ends');
    await containerd.whenEmpty();
  });

  it('outlives a restart of the runtime', async () => {
    await bench.createPod('long', {}, sh('echo $$; while true; do sleep 0.1; test -e /stop && exit 3; done'));
    const before = await bench.running('long');
    await containerd.restart();
    await out('long', 'touch /stop');
    const after = await bench.waitPod(
      'long',
      (pod) => (firstStatus(pod)?.restartCount ?? 0) > 0 && isReady(pod!) && pod,
    );
    assert.equal(firstStatus(after)!.lastState!.terminated!.exitCode, 3);
    assert.equal(after.status!.podIP, before.status!.podIP);
    await remove('long');
  });

  it('makes a new sandbox when one has died', async () => {
    await bench.createPod('sandbox', {});
    await bench.running('sandbox');
    await containerd.killSandbox('sandbox');
    await bench.waitPod('sandbox', (pod) => (firstStatus(pod)?.restartCount ?? 0) > 0 && isReady(pod!));
    assert.equal(await out('sandbox', 'echo $((6 * 7))'), '42\n');
    await remove('sandbox');
  });

  it('runs twenty pods at once', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
    await Promise.all(names.map((name) => bench.createPod(name, {})));
    const all = await Promise.all(names.map((name) => bench.running(name)));
    assert.equal(new Set(all.map((pod) => pod.status!.podIP)).size, 20);
    await remove(...names);
    await containerd.whenEmpty();
  });
});
