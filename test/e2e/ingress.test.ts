import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { netnsPath } from '../../src/host/netns.ts';
import { allPids, commandLine, signalProcess } from '../../src/host/process.ts';
import { sleep, systemClock } from '../../src/lib/clock.ts';
import { ROOT } from '../source.ts';
import { kubectl, obstacle, plan, sampan, startCluster, stopCluster } from './cluster.ts';
import { kubeconfigWith } from './kubeconfig.ts';

const URL_PATH = 'http://nginx.example.com/';
const LIMIT_MS = 30_000;

/** Asks until the answer matches; resolves with it. */
async function curl(address: string, pattern: RegExp, ...words: string[]): Promise<string> {
  const deadline = systemClock.now() + LIMIT_MS;
  for (;;) {
    const [host, port = '80'] = address.split(':');
    const command = ['curl', '-sS', '-m', '5', '--connect-to', `::${host}:${port}`, ...words, URL_PATH] as const;
    const text = await run(['nsenter', `--net=${netnsPath(plan.nodes[0]!.netns)}`, '--', ...command]).then(
      ({ stdout }) => stdout,
      (error: Error) => error.message,
    );
    if (pattern.test(text)) return text;
    if (systemClock.now() > deadline) assert.fail(`${address}: expected ${pattern}, actual ${text}`);
    await sleep(systemClock, 100);
  }
}

async function untilOutput(pattern: RegExp, ...words: string[]): Promise<void> {
  const deadline = systemClock.now() + LIMIT_MS;
  for (;;) {
    const text = await kubectl(...words);
    if (pattern.test(text)) return;
    if (systemClock.now() > deadline) assert.fail(`kubectl ${words.join(' ')}: expected ${pattern}, actual ${text}`);
    await sleep(systemClock, 100);
  }
}

describe('Ingress', { skip: obstacle() ?? false }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-ingress-'));
  before(startCluster);
  after(async () => {
    rmSync(directory, { recursive: true, force: true });
    assert.deepEqual(await stopCluster(), []);
  });

  test('leads from every node to pods on all of them', async () => {
    await kubectl(
      'apply',
      '-f',
      'examples/run-my-nginx.yaml',
      '-f',
      'examples/nginx-svc.yaml',
      '-f',
      'examples/ingress.yaml',
    );
    for (const node of plan.nodes) await curl(node.ip, /Welcome to nginx!/);
    const addresses = plan.nodes.map(({ ip }) => ip).join(',');
    await untilOutput(
      new RegExp(`^my-nginx +sampan +nginx\\.example\\.com +${addresses} +80 `, 'm'),
      'get',
      'ingress',
      'my-nginx',
    );
    await untilOutput(/Normal +Sync .*sampan-ingress +Scheduled for sync/, 'describe', 'ingress', 'my-nginx');
  });

  test('answers on the machine itself, at loopback addresses', async () => {
    const address = plan.nodes[0]!.ip.replace(/^10\.89\.0/, plan.gateway.lan.split('.', 3).join('.'));
    assert.match(address, /^127\./);
    const command = [
      'curl',
      '-sS',
      '-m',
      '5',
      '--retry',
      '5',
      '--retry-all-errors',
      '--resolve',
      `nginx.example.com:80:${address}`,
    ] as const;
    assert.match((await run([...command, URL_PATH])).stdout, /Welcome to nginx!/);
  });

  test('leads to an ExternalName by the DNS of the cluster', async () => {
    await kubectl('create', 'service', 'externalname', 'alias', '--external-name=my-nginx.default.svc.cluster.local');
    await kubectl('create', 'ingress', 'alias', '--rule=alias.example.com/*=alias:80');
    for (const { ip } of plan.nodes) await curl(ip, /Welcome to nginx!/, '-H', 'Host: alias.example.com');
    await kubectl('delete', 'ingress/alias', 'service/alias');
  });

  test("comes back when the node's agent and HAProxy are killed", async () => {
    const [node] = plan.nodes;
    const own = allPids().filter((pid) => commandLine(pid).includes(`${node!.runDir}/ingress`));
    assert.ok(own.length >= 2);
    for (const pid of own) signalProcess(pid, 'SIGKILL');
    await curl(node!.ip, /Welcome to nginx!/);
    const { pid } = JSON.parse(readFileSync(node!.agent.pidFile, 'utf8')) as { pid: number };
    signalProcess(pid, 'SIGKILL');
    await curl(node!.ip, /Welcome to nginx!/);
    await sampan('up', '--name', plan.name);
    await kubectl('delete', 'ingress', 'my-nginx');
    await curl(node!.ip, /No Ingress has a rule/);
  });

  describe('by a program of its own, with its role alone', () => {
    const config = join(directory, 'kubeconfig');
    let controller: ChildProcess | undefined;
    before(async () => {
      await kubectl('apply', '-f', 'examples/ingress-controller.yaml');
      const token = await kubectl('create', 'token', 'sampan-ingress', '--namespace', 'kube-system');
      writeFileSync(config, kubeconfigWith(token.trim()), { mode: 0o600 });
      const words = [
        'ingress',
        '--kubeconfig',
        config,
        '--controller',
        'example.com/edge',
        '--listen',
        plan.lan.address,
      ];
      const rest = ['--http-port', '8080', '--https-port', '8443', '--directory', join(directory, 'haproxy')];
      controller = spawn('nsenter', [
        `--net=${netnsPath(plan.lan.netns)}`,
        '--',
        join(ROOT, 'sampan'),
        ...words,
        ...rest,
      ]);
    });
    after(async () => {
      if (!controller || controller.exitCode !== null) return;
      const exit = once(controller, 'exit');
      controller.kill();
      await exit;
    });

    test('serves its class', async () => {
      const ingress = readFileSync(join(ROOT, 'examples/ingress.yaml'), 'utf8').replace(
        'spec:\n',
        'spec:\n  ingressClassName: edge\n',
      );
      const file = join(directory, 'ingress.yaml');
      writeFileSync(file, ingress);
      await kubectl('apply', '-f', file);
      await curl(`${plan.lan.address}:8080`, /Welcome to nginx!/);
      await untilOutput(
        new RegExp(`^my-nginx +edge +\\S+ +${plan.lan.address} +80 `, 'm'),
        'get',
        'ingress',
        'my-nginx',
      );
      await curl(plan.nodes[0]!.ip, /No Ingress has a rule/);
    });

    test('and may do nothing else', async () => {
      const as = ['--as', 'system:serviceaccount:kube-system:sampan-ingress'];
      const can = async (...words: string[]) =>
        (await kubectl('auth', 'can-i', ...words, ...as).catch(() => 'no')).trim().split('\n').at(-1);
      assert.equal(await can('list', 'secrets', '--all-namespaces'), 'yes');
      assert.equal(await can('patch', 'ingresses', '--subresource=status'), 'yes');
      for (const words of [
        ['get', 'pods'],
        ['patch', 'ingresses'],
        ['delete', 'services'],
        ['create', 'secrets'],
      ])
        assert.equal(await can(...words), 'no', words.join(' '));
    });

    test('ends with its HAProxy', async () => {
      const exit = once(controller!, 'exit');
      controller!.kill();
      await exit;
      assert.deepEqual(
        allPids().filter((pid) => commandLine(pid).includes(directory)),
        [],
      );
    });
  });
});
