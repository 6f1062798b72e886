import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { persistentVolumes } from '../../src/api/kinds/persistentvolume.ts';
import { persistentVolumeClaims } from '../../src/api/kinds/persistentvolumeclaim.ts';
import { pods } from '../../src/api/kinds/pod.ts';
import { secrets } from '../../src/api/kinds/secret.ts';
import { services } from '../../src/api/kinds/service.ts';
import type { Pod } from '../../src/api/types.ts';
import { readCgroupLayout } from '../../src/host/cgroup.ts';
import { AgentBench, isReady } from './agent-fixture.ts';
import { enterOwnNetwork, IMAGE, NODE_IP, TestContainerd, whyNoContainers } from './containerd-fixture.ts';
import { TestRegistry } from './registry-fixture.ts';

const skip = whyNoContainers() ?? false;

type PodSpec = NonNullable<Pod['spec']>;

describe('what pods may ask of a node', { skip, timeout: 300_000 }, () => {
  let containerd: TestContainerd;
  let bench: AgentBench;
  let registry: TestRegistry;

  before(async () => {
    await enterOwnNetwork();
    containerd = await TestContainerd.start();
    bench = await AgentBench.start(containerd);
    registry = await TestRegistry.start(join(containerd.directory, 'image'));
  });

  after(async () => {
    registry?.stop();
    await bench?.stop();
    await containerd?.stop();
  });

  const sh = (script: string) => ({ command: ['sh', '-c', script] });
  const key = (name: string) => ({ name, namespace: 'default' });
  const firstStatus = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0];
  const out = async (name: string, script: string) => (await bench.exec(name, ['sh', '-c', script])).stdout;
  const inPhase = (name: string, phase: string) => bench.waitPod(name, (pod) => pod?.status?.phase === phase && pod);
  const waitingFor = (name: string, reason: string) =>
    bench.waitPod(name, (pod) => firstStatus(pod)?.state?.waiting?.reason === reason && pod);
  const remove = async (...names: string[]) => {
    for (const name of names) await bench.deletePod(name, 0);
    for (const name of names) await bench.gone(name);
  };

  it('runs an ephemeral container among the processes of its target', async () => {
    await bench.createPod('debugged', {}, sh('exec sleep 4711'));
    const pod = await bench.running('debugged');
    const debug = {
      name: 'debugger',
      image: IMAGE,
      targetContainerName: 'main',
      ...sh('echo hello from $HOSTNAME; cat /proc/1/cmdline; exit 3'),
    };
    const wanted = { ...pod, spec: { ...pod.spec!, ephemeralContainers: [debug] } };
    delete wanted.metadata.resourceVersion;
    await bench.client.updateSubresource(pods, wanted as Pod, 'ephemeralcontainers');
    const after = await bench.waitPod('debugged', (found) => {
      return found?.status?.ephemeralContainerStatuses?.[0]?.state?.terminated && found;
    });
    const [status] = after.status!.ephemeralContainerStatuses!;
    assert.deepEqual([status!.state!.terminated!.exitCode, status!.ready, status!.restartCount], [3, false, 0]);
    assert.equal(isReady(after), true);
    const { text } = await bench.get('/containerLogs/default/debugged/debugger');
    assert.equal(text, 'hello from debugged\nsleep\x004711\0');
    await remove('debugged');
  });

  it("pulls with a pod's secrets", async () => {
    const image = `${registry.name}/private/app:1`;
    const spec = { imagePullSecrets: [{ name: 'pull' }] };
    await bench.createPod('stranger', {}, { image });
    await bench.createPod('early', spec, { image });
    const refused = await waitingFor('stranger', 'ErrImagePull');
    assert.match(firstStatus(refused)!.state!.waiting!.message!, /authorization failed|401|no basic auth credentials/);
    const auths = { [registry.name]: { auth: Buffer.from('robot:s3cret').toString('base64') } };
    await bench.client.create(secrets, {
      metadata: key('pull'),
      type: 'kubernetes.io/dockerconfigjson',
      data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') },
    });
    await bench.createPod('friend', spec, { image: `${registry.name}/private/app:2` });
    await bench.running('friend');
    assert.deepEqual([...registry.users], ['robot:s3cret']);
    await remove('stranger', 'early', 'friend');
  });

  it('ends a pod whose image is still on its way', async () => {
    const released = Promise.withResolvers<void>();
    registry.hold = released.promise;
    await bench.createPod('slow', {}, { image: `${registry.name}/slow/app:1` });
    await waitingFor('slow', 'ContainerCreating');
    await bench.deletePod('slow');
    await bench.gone('slow');
    released.resolve();
    await containerd.whenEmpty();
  });

  it('says what is wrong with images and commands', async () => {
    await bench.createPod('badname', {}, { image: 'Not An Image' });
    await bench.createPod('badcommand', {}, { command: ['/nosuch'] });
    const badName = await waitingFor('badname', 'InvalidImageName');
    assert.match(
      firstStatus(badName)!.state!.waiting!.message!,
      /couldn't parse image name "Not An Image": invalid reference format/,
    );
    const badCommand = await bench.waitPod('badcommand', (pod) => {
      return firstStatus(pod)?.state?.waiting?.reason === 'RunContainerError' && pod;
    });
    assert.match(firstStatus(badCommand)!.state!.waiting!.message!, /\/nosuch: no such file or directory/);
    await waitingFor('badcommand', 'CrashLoopBackOff');
    await remove('badname', 'badcommand');
  });

  it('ends pods at their deadline', async () => {
    await bench.createPod('late', { activeDeadlineSeconds: 1 });
    const { status } = await inPhase('late', 'Failed');
    assert.deepEqual(
      [status!.reason, status!.message],
      ['DeadlineExceeded', 'Pod was active on the node longer than the specified deadline'],
    );
    assert.ok(status!.containerStatuses![0]!.state!.terminated);
    await remove('late');
  });

  it('runs init containers again in a new sandbox', async () => {
    const volumes = [{ name: 'work', emptyDir: {} }];
    const volumeMounts = [{ name: 'work', mountPath: '/made' }];
    const init = { name: 'init', image: IMAGE, ...sh('echo again >> /made/log'), volumeMounts };
    await bench.createPod('moved', { initContainers: [init], volumes }, { volumeMounts });
    await bench.running('moved');
    assert.equal(await out('moved', 'cat /made/log'), 'again\n');
    await containerd.killSandbox('moved');
    await bench.waitPod('moved', (pod) => (firstStatus(pod)?.restartCount ?? 0) > 0 && isReady(pod!));
    assert.equal(await out('moved', 'cat /made/log'), 'again\nagain\n');
    await remove('moved');
  });

  it('does not run a pod again that must not, when its sandbox dies', async () => {
    await bench.createPod('once', { restartPolicy: 'Never' });
    await bench.running('once');
    await containerd.killSandbox('once');
    const { status } = await inPhase('once', 'Failed');
    assert.deepEqual(
      [status!.containerStatuses![0]!.restartCount, status!.containerStatuses![0]!.state!.terminated!.exitCode],
      [0, 137],
    );
    await remove('once');
  });

  it('asks by gRPC whether a container is well', async () => {
    const answers = ['NOT_SERVING', 'SERVING'];
    const health = grpcHealth(() => (answers.length > 1 ? answers.shift()! : answers[0]!));
    const port = await health.listen(NODE_IP);
    const readinessProbe = { grpc: { port, service: 'web' }, periodSeconds: 1 };
    await bench.createPod('grpc', { hostNetwork: true }, { readinessProbe });
    await bench.running('grpc');
    assert.deepEqual(health.asked.slice(0, 2), ['web', 'web']);
    await remove('grpc');
    health.stop();
  });

  it('calls hooks by HTTP, and sleeps before the end', async () => {
    const calls: string[] = [];
    const server = createHttpServer((request, response) => {
      calls.push(`${request.url} ${request.headers['x-hook']}`);
      response.end();
    });
    await new Promise<void>((resolve) => server.listen({ host: NODE_IP, port: 0 }, resolve));
    const { port } = server.address() as { port: number };
    const get = (path: string) => ({
      httpGet: { host: NODE_IP, port, path, httpHeaders: [{ name: 'x-hook', value: 'yes' }] },
    });
    const lifecycle = { postStart: get('/start'), preStop: get('/stop') };
    await bench.createPod('called', { hostNetwork: true }, { lifecycle });
    await bench.running('called');
    await bench.deletePod('called');
    await bench.gone('called');
    assert.deepEqual(calls, ['/start yes', '/stop yes']);
    server.closeAllConnections();
    server.close();
    await bench.createPod(
      'sleepy',
      { terminationGracePeriodSeconds: 5 },
      {
        lifecycle: { preStop: { sleep: { seconds: 1 } } },
        ...sh("trap 'exit 0' TERM; while true; do sleep 0.05; done"),
      },
    );
    await bench.running('sleepy');
    const start = performance.now();
    await bench.deletePod('sleepy');
    await bench.gone('sleepy');
    const took = performance.now() - start;
    assert.ok(took >= 1000 && took < 5000, `${took} ms`);
  });

  it('reads the last words from where a container leaves them', async () => {
    const container = { ...sh('echo -n moved > /tmp/last; exit 2'), terminationMessagePath: '/tmp/last' };
    await bench.createPod('path', { restartPolicy: 'Never' }, container);
    const pod = await inPhase('path', 'Failed');
    assert.equal(firstStatus(pod)!.state!.terminated!.message, 'moved');
    await remove('path');
  });

  it('opens ports of the node that lead to a pod', async () => {
    const ports = [{ containerPort: 8080, hostPort: 18080 }];
    await bench.createPod('ported', {}, { ...sh('exec busybox httpd -f -p 8080 -h /www'), ports });
    await bench.running('ported');
    assert.equal(await get(`http://${NODE_IP}:18080/index.html`), 'hello\n');
    await remove('ported');
    await containerd.whenEmpty();
    await assert.rejects(get(`http://${NODE_IP}:18080/index.html`));
  });

  it('gives full names, and aliases on the network of the node too', async () => {
    await bench.createPod('fqdn', { hostname: 'web', subdomain: 'sub', setHostnameAsFQDN: true });
    const hostAliases = [{ ip: '10.1.2.3', hostnames: ['foo', 'bar'] }];
    await bench.createPod('aliases', { hostNetwork: true, hostAliases });
    await bench.running('fqdn');
    assert.equal(await out('fqdn', 'hostname'), 'web.sub.default.svc.cluster.local\n');
    await bench.running('aliases');
    assert.match(
      await out('aliases', 'cat /etc/hosts'),
      /^# Kubernetes-managed hosts file \(host network\)\.\n[\s\S]*10\.1\.2\.3\tfoo\tbar\n$/,
    );
    await remove('fqdn', 'aliases');
  });

  it('shares processes with the node or within the pod', async () => {
    await bench.createPod('node-processes', { hostPID: true });
    const other = { name: 'other', image: IMAGE, ...sh('exec sleep 4712') };
    const main = { name: 'main', image: IMAGE };
    await bench.createPod('shared', { shareProcessNamespace: true, containers: [main, other] });
    await bench.createPod('apart', { containers: [main, other] });
    for (const name of ['node-processes', 'shared', 'apart']) await bench.running(name);
    assert.equal(
      await out('node-processes', `cat /proc/${process.pid}/comm`),
      await readFile('/proc/self/comm', 'utf8'),
    );
    const see = `for p in /proc/[0-9]*; do cat $p/cmdline; echo; done | busybox tr '\\0' ' ' | busybox grep -c '^sleep 4712'; true`;
    assert.deepEqual([Number(await out('shared', see)), Number(await out('apart', see))], [1, 0]);
    await remove('node-processes', 'shared', 'apart');
  });

  it('is ready when its readiness gates are', async () => {
    await bench.createPod('gated', { readinessGates: [{ conditionType: 'example.com/open' }] });
    const closed = await bench.waitPod('gated', (pod) => firstStatus(pod)?.ready && !isReady(pod!) && pod);
    const condition = closed.status!.conditions!.find(({ type }) => type === 'Ready')!;
    assert.equal(condition.reason, 'ReadinessGatesNotReady');
    const body = { status: { conditions: [{ type: 'example.com/open', status: 'True' }] } };
    await bench.client.patch(pods, key('gated'), { type: 'strategic', body, subresource: 'status' });
    await bench.running('gated');
    await remove('gated');
  });

  it('sets what the kernel is asked for', async () => {
    const sysctls = [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '7' }];
    const seccompProfile = { type: 'RuntimeDefault' as const };
    const capabilities = { add: ['NET_ADMIN'], drop: ['CHOWN'] };
    await bench.createPod(
      'kernel',
      { securityContext: { sysctls, seccompProfile, supplementalGroups: [77] } },
      { securityContext: { capabilities, allowPrivilegeEscalation: false } },
    );
    await bench.createPod('plain', {});
    await bench.running('kernel');
    await bench.running('plain');
    assert.equal(await out('kernel', 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start'), '7\n');
    const status = async (name: string, field: string) =>
      new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(await out(name, 'cat /proc/self/status'))?.[1];
    assert.deepEqual([await status('kernel', 'Seccomp'), await status('plain', 'Seccomp')], ['2', '0']);
    assert.deepEqual([await status('kernel', 'NoNewPrivs'), await status('plain', 'NoNewPrivs')], ['1', '0']);
    const has = async (name: string, bit: bigint) => (BigInt(`0x${await status(name, 'CapEff')}`) >> bit) & 1n;
    assert.deepEqual(
      [await has('kernel', 12n), await has('kernel', 0n), await has('plain', 12n), await has('plain', 0n)],
      [1n, 0n, 0n, 1n],
    );
    assert.match(await out('kernel', 'id -G'), /\b77\b/);
    assert.equal(await out('plain', 'cat /proc/self/oom_score_adj'), '1000\n');
    await bench.createPod('unsafe', { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } });
    const refused = await inPhase('unsafe', 'Failed');
    assert.equal(refused.status!.reason, 'SysctlForbidden');
    await remove('kernel', 'plain', 'unsafe');
  });

  it('gives pods shares of the processor', async () => {
    const resources = { requests: { cpu: '250m' }, limits: { cpu: '500m', memory: '64Mi' } };
    await bench.createPod('shares', {}, { resources });
    const { metadata } = await bench.running('shares');
    const { version, hierarchies } = readCgroupLayout();
    const cpu = version === 2 ? hierarchies[0]! : hierarchies.find(({ controllers }) => controllers.includes('cpu'))!;
    const file = version === 2 ? 'cpu.weight' : 'cpu.shares';
    const value = await readFile(join(cpu.mountPoint, containerd.cgroupParent, `pod${metadata.uid}`, file), 'utf8');
    assert.equal(value.trim(), version === 2 ? '10' : '256');
    await remove('shares');
  });

  it('keeps claims, and gives them to their group', async () => {
    const path = join(containerd.directory, 'lasting');
    await mkdir(join(path, 'old'), { recursive: true });
    await writeFile(join(path, 'old/file'), 'kept\n', { mode: 0o600 });
    const storage = { storage: '1Gi' };
    const accessModes: ['ReadWriteOnce'] = ['ReadWriteOnce'];
    await bench.client.create(persistentVolumes, {
      metadata: { name: 'disk' },
      spec: { capacity: storage, accessModes, hostPath: { path } },
    });
    await bench.client.create(persistentVolumeClaims, {
      metadata: key('data'),
      spec: { accessModes, resources: { requests: storage }, volumeName: 'disk' },
    });
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
    const volumeMounts = [
      { name: 'data', mountPath: '/data' },
      { name: 'data', mountPath: '/own', subPathExpr: 'pods/$(NAME)' },
    ];
    const env = [{ name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }];
    const securityContext = { runAsUser: 1000, fsGroup: 2000 };
    await bench.createPod('claims', { volumes, securityContext }, { volumeMounts, env });
    await waitingFor('claims', 'ContainerCreating');
    const bound = { type: 'merge' as const, body: { status: { phase: 'Bound' } }, subresource: 'status' as const };
    await bench.client.patch(persistentVolumeClaims, key('data'), bound);
    await bench.running('claims');
    assert.equal(
      await out('claims', 'cat /data/old/file; echo new > /data/new; ls /data/pods; busybox stat -c %g /data/new'),
      'kept\nclaims\n2000\n',
    );
    assert.equal((await stat(join(path, 'new'))).uid, 1000);
    await remove('claims');
    assert.equal(await readFile(join(path, 'new'), 'utf8'), 'new\n');
  });

  it('refuses paths of the node that are something else', async () => {
    const volumes = [{ name: 'v', hostPath: { path: '/etc/hostname', type: 'Directory' as const } }];
    await bench.createPod('wrongtype', { volumes }, { volumeMounts: [{ name: 'v', mountPath: '/v' }] });
    await bench.waitEvent('wrongtype', /hostPath type check failed: \/etc\/hostname is not a directory/);
    await remove('wrongtype');
  });

  it('limits volumes in memory and on the disk', async () => {
    const volumes = [
      { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
      { name: 'disk', emptyDir: { sizeLimit: '1Mi' } },
    ] as PodSpec['volumes'];
    const volumeMounts = ['memory', 'disk'].map((name) => ({ name, mountPath: `/${name}` }));
    await bench.createPod('full', { volumes, restartPolicy: 'Never' }, { volumeMounts });
    await bench.running('full');
    assert.match(
      await out('full', 'busybox dd if=/dev/zero of=/memory/x bs=1024 count=2048 2>&1'),
      /No space left on device/,
    );
    await out('full', 'busybox dd if=/dev/zero of=/disk/x bs=1024 count=2048 2>&1');
    // Any change makes the node look at once.
    await bench.client.patch(pods, key('full'), { type: 'merge', body: { metadata: { labels: { look: 'now' } } } });
    const { status } = await inPhase('full', 'Failed');
    assert.deepEqual(
      [status!.reason, status!.message],
      ['Evicted', 'Usage of EmptyDir volume "disk" exceeds the limit "1Mi". '],
    );
    await remove('full');
  });

  it('shows labels and Secrets as they change', async () => {
    await bench.client.create(secrets, { metadata: key('live'), data: { key: Buffer.from('one').toString('base64') } });
    const items = [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }];
    const projected = { sources: [{ downwardAPI: { items } }, { secret: { name: 'live' } }] };
    const volumes = [{ name: 'v', projected }];
    await bench.createPod('live', { volumes }, { volumeMounts: [{ name: 'v', mountPath: '/v' }] });
    await bench.running('live');
    await bench.client.patch(pods, key('live'), { type: 'merge', body: { metadata: { labels: { color: 'blue' } } } });
    await bench.client.patch(secrets, key('live'), {
      type: 'merge',
      body: { data: { key: Buffer.from('two').toString('base64') } },
    });
    const script =
      'until busybox grep -q \'color="blue"\' /v/labels && busybox grep -q two /v/key; do sleep 0.05; done; cat /v/key';
    assert.equal(await out('live', script), 'two');
    await remove('live');
  });

  it('leaves Service variables out when told to', async () => {
    await bench.client.create(services, {
      metadata: key('link'),
      spec: { clusterIP: '10.96.0.78', ports: [{ port: 80 }] },
    });
    await bench.createPod('links', {});
    await bench.createPod('nolinks', { enableServiceLinks: false });
    await bench.running('links');
    await bench.running('nolinks');
    assert.match(await out('links', 'env'), /LINK_SERVICE_HOST=10\.96\.0\.78/);
    assert.doesNotMatch(await out('nolinks', 'env'), /LINK_SERVICE_HOST/);
    await remove('links', 'nolinks');
  });
});

async function get(url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5000) });
  return response.text();
}

/** A server of `grpc.health.v1.Health`. */
function grpcHealth(next: () => string) {
  const asked: string[] = [];
  const statuses: Record<string, number> = { SERVING: 1, NOT_SERVING: 2 };
  const definition = {
    Check: {
      path: '/grpc.health.v1.Health/Check',
      requestStream: false,
      responseStream: false,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  };
  const server = new Server();
  server.addService(definition, {
    Check: (call: { request: Buffer }, answer: (error: null, value: Buffer) => void) => {
      // Field 1, a string: one octet of tag, one of length.
      asked.push(call.request.subarray(2).toString());
      answer(null, Buffer.from([8, statuses[next()]!]));
    },
  });
  return {
    asked,
    listen: (host: string) =>
      new Promise<number>((resolve, reject) =>
        server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, port) =>
          error ? reject(error) : resolve(port),
        ),
      ),
    stop: () => server.forceShutdown(),
  };
}
