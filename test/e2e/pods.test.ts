import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { ROOT } from '../source.ts';
import { kubectl, kubectlEnvironment, obstacle, startCluster, stopCluster } from './cluster.ts';

const busybox = (name: string, script: string, more: object = {}) => ({
  name,
  image: 'busybox',
  imagePullPolicy: 'IfNotPresent',
  command: ['sh', '-c', script],
  ...more,
});
const pod = (name: string, containers: object[], more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: 'logs' } },
  spec: { terminationGracePeriodSeconds: 1, containers, ...more },
});
const idle = 'while true; do sleep 0.2; done';

const PODS = [
  pod('two', [busybox('a', `echo a1; echo a2; echo a3; ${idle}`), busybox('b', `echo b1; echo b2; ${idle}`)]),
  pod('again', [busybox('a', 'echo life; sleep 1; exit 1')]),
  pod('shell', [busybox('sh', 'exec sh', { stdin: true, stdinOnce: true, tty: true })], { restartPolicy: 'Never' }),
  pod('cat', [busybox('cat', 'exec cat', { stdin: true, stdinOnce: true })], { restartPolicy: 'Never' }),
];

async function applyAll(objects: readonly object[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sampan-pods-'));
  const file = join(directory, 'objects.json');
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  await kubectl('apply', '-f', file).finally(() => rm(directory, { recursive: true }));
}

/** One kubectl of a version, with input, as from a pipe; resolves with its output. */
function piped(version: string, input: string, ...words: string[]): Promise<string> {
  const child = spawn('kubectl', words, {
    env: kubectlEnvironment(version),
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout: 60_000,
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve(text));
  });
}

/** What a command that fails says. */
async function failure(...words: string[]): Promise<string> {
  return kubectl(...words).then(
    () => 'it succeeded',
    (error: { stderr: string }) => error.stderr,
  );
}

describe('what people do with pods', { skip: obstacle() ?? false }, () => {
  before(async () => {
    await startCluster();
    await applyAll(PODS);
    await kubectl('run', 'web', '--image=nginx', '--image-pull-policy=IfNotPresent', '--port=80', '--expose');
    await kubectl('wait', '--for=condition=Ready', 'pod/two', 'pod/shell', 'pod/cat', 'pod/web', '--timeout=60s');
  });
  after(async () => assert.deepEqual(await stopCluster(), []));

  test('logs, with every flag', async () => {
    const rows: [string, RegExp][] = [
      ['two -c a', /^a1\na2\na3\n$/],
      ['two', /^a1\na2\na3\n$/],
      ['two -c a --tail=1', /^a3\n$/],
      ['two -c a --tail=1 --timestamps', /^\d{4}-\d\d-\d\dT[\d:.]+Z a3\n$/],
      ['two -c a --since=1h', /^a1\na2\na3\n$/],
      ['two -c a --since-time=2020-01-01T00:00:00Z', /^a1\na2\na3\n$/],
      ['two -c a --limit-bytes=4', /^a1\na$/],
      ['two --all-containers --prefix', /^\[pod\/two\/a\] a1\n(.*\n)*\[pod\/two\/b\] b2\n$/],
      [
        '-l app=logs --all-containers --prefix --tail=1 --max-log-requests=8',
        /\[pod\/two\/a\] a3\n\[pod\/two\/b\] b2\n/,
      ],
    ];
    for (const [words, expected] of rows) assert.match(await kubectl('logs', ...words.split(' ')), expected, words);
    const few = await failure('logs', '-l', 'app=logs', '-f', '--all-containers', '--max-log-requests=1');
    assert.match(few, /you are attempting to follow 5 log streams, but maximum allowed concurrency is 1/);
  });

  test('logs of a life before, and following to the end', async () => {
    await kubectl('wait', '--for=jsonpath={.status.containerStatuses[0].restartCount}=1', 'pod/again', '--timeout=30s');
    assert.equal(await kubectl('logs', 'again', '--previous'), 'life\n');
    await applyAll([pod('short', [busybox('a', 'echo one; sleep 1; echo two')], { restartPolicy: 'Never' })]);
    await kubectl('wait', '--for=jsonpath={.status.phase}=Running', 'pod/short', '--timeout=30s');
    assert.equal(await kubectl('logs', '-f', 'short'), 'one\ntwo\n');
  });

  test('attach, to a terminal and without one', async () => {
    assert.match(await piped('1.35', 'echo $((6 * 7))\nexit 7\n', 'attach', '-i', 'shell'), /\b42\b/);
    await kubectl('wait', '--for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}=7', 'pod/shell');
    assert.equal(await piped('1.32', 'said\n', 'attach', '-i', 'cat'), 'said\n');
    await kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/cat');
  });

  test('a terminal as large as the window', async () => {
    // The size comes right after the start.
    const words = `kubectl exec -it two -c a -- sh -c 'sleep 1; stty size'`;
    const script = `stty rows 33 cols 111 < /dev/tty; ${words}`;
    const { stdout } = await run(['script', '-qec', script, '/dev/null'], {
      env: kubectlEnvironment('1.35'),
      cwd: ROOT,
    });
    assert.match(stdout, /33 111/);
  });

  for (const version of ['1.35', '1.32']) {
    test(`kubectl ${version} exec hands input and exit codes on, and cp copies both ways`, async () => {
      const env = kubectlEnvironment(version);
      const own = (...words: string[]) => run(['kubectl', ...words], { env, cwd: ROOT, timeoutMs: 60_000 });
      assert.equal(
        await piped(version, 'x'.repeat(200_000), 'exec', '-i', 'two', '-c', 'a', '--', 'wc', '-c'),
        '200000\n',
      );
      await assert.rejects(
        own('exec', 'two', '-c', 'a', '--', 'sh', '-c', 'exit 9'),
        /command terminated with exit code 9/,
      );
      const directory = await mkdtemp(join(tmpdir(), 'sampan-cp-'));
      const [there, back] = [join(directory, 'there'), join(directory, 'back')];
      await writeFile(there, `of ${version}\n`.repeat(20_000));
      await own('cp', there, 'two:/tmp/copied', '-c', 'a');
      await own('cp', 'two:/tmp/copied', back, '-c', 'a');
      assert.equal(await readFile(back, 'utf8'), await readFile(there, 'utf8'));
      await rm(directory, { recursive: true });
    });
  }

  test('debug, beside a container, in a copy and on a node', async () => {
    const debug = (...words: string[]) =>
      kubectl('debug', ...words.slice(0, 1), '--profile=general', ...words.slice(1));
    await debug('two', '--image=busybox', '--target=a', '-c', 'look', '--', 'sh', '-c', 'ps; echo done');
    const ended = '--for=jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}=0';
    await kubectl('wait', ended, 'pod/two', '--timeout=30s');
    assert.match(await kubectl('logs', 'two', '-c', 'look'), /1 root {5}sh -c echo a1[\s\S]*done\n$/);
    await debug('two', '--copy-to=copy', '--image=busybox', '--share-processes', '-c', 'extra', '--', 'sleep', '1000');
    await kubectl('wait', '--for=condition=Ready', 'pod/copy', '--timeout=30s');
    assert.match(await kubectl('exec', 'copy', '-c', 'extra', '--', 'ps'), /echo b1/);
    await debug('node/node-1', '--image=busybox', '--', 'ls', '/host/etc/debian_version');
    const name = await kubectl('get', 'pods', '-o', 'name', '--field-selector=spec.hostPID=true').catch(() => '');
    const all = name || (await kubectl('get', 'pods', '-o', 'name'));
    const debugger_ = all.split('\n').find((line) => line.includes('node-debugger'))!;
    await kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', debugger_, '--timeout=30s');
    assert.equal(await kubectl('logs', debugger_), '/host/etc/debian_version\n');
  });

  test('what stands behind pods, Services and nodes, through the API server', async () => {
    const raw = (path: string) => kubectl('get', '--raw', path);
    for (const path of ['services/web', 'services/web:80', 'pods/web', 'pods/http:web:80']) {
      assert.match(await raw(`/api/v1/namespaces/default/${path}/proxy/`), /Welcome to nginx/, path);
    }
    assert.equal(await raw('/api/v1/nodes/node-1/proxy/healthz'), 'ok');
    assert.match(await raw('/api/v1/nodes/node-2/proxy/pods'), /"kind":"PodList"/);
    assert.match(
      await failure('get', '--raw', '/api/v1/namespaces/default/services/web:9/proxy/'),
      /no service port 9 found/,
    );
  });

  test('kubectl proxy leads there too', async () => {
    const child = spawn('kubectl', ['proxy', '--port=0'], {
      env: kubectlEnvironment('1.35'),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [first] = (await child.stdout.setEncoding('utf8').take(1).toArray()) as [string];
      const origin = `http://127.0.0.1:${/127\.0\.0\.1:(\d+)/.exec(first)![1]}`;
      const page = await fetch(`${origin}/api/v1/namespaces/default/services/web/proxy/`, {
        headers: { connection: 'close' },
      });
      assert.match(await page.text(), /Welcome to nginx/);
    } finally {
      child.kill();
    }
  });

  test('top says that there are no measurements', async () => {
    for (const what of ['nodes', 'pods']) assert.match(await failure('top', what), /error: Metrics API not available/);
  });
});
