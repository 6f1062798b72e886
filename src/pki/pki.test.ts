import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { parse } from 'yaml';
import { systemClock } from '../lib/clock.ts';
import { FakeClock } from '../testing/clock.ts';
import { type CertificateOptions, createAuthority, issueCertificate, loadAuthority } from './authority.ts';
import { readSubject } from './certificate.ts';
import { renderKubeconfig } from './kubeconfig.ts';
import { nodeServingName, planPki } from './plan.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const clock = new FakeClock(systemClock.now());

function inDirectory(run: (write: (name: string, text: string) => string) => void): void {
  const directory = mkdtempSync(path.join(tmpdir(), 'sampan-pki-'));
  try {
    run((name, text) => {
      const file = path.join(directory, name);
      writeFileSync(file, text);
      return file;
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const LEAVES: [string, CertificateOptions, string[]][] = [
  [
    'server',
    { commonName: 'api', dnsNames: ['localhost'], ipAddresses: ['10.0.0.1', 'fd00::1'], usage: 'server' },
    ['sslserver'],
  ],
  ['client', { commonName: 'jane', organizations: ['a', 'b'], usage: 'client' }, ['sslclient']],
  ['both', { commonName: 'käthe', dnsNames: ['x.example'], usage: 'both' }, ['sslserver', 'sslclient']],
];

for (const [name, options, purposes] of LEAVES) {
  test(`issueCertificate: openssl accepts a ${name} certificate for its purposes only`, () => {
    const authority = createAuthority({ commonName: 'kubernetes', clock });
    const { certPem, keyPem } = issueCertificate(authority, options);
    assert.ok(new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem)));
    inDirectory((write) => {
      const ca = write('ca.crt', authority.certPem);
      const cert = write('leaf.crt', certPem);
      for (const purpose of ['sslserver', 'sslclient']) {
        const verify = () => openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca, cert);
        if (purposes.includes(purpose)) assert.match(verify(), /: OK/);
        else assert.throws(verify);
      }
    });
  });
}

test('issueCertificate: subject and alternative names are those asked for', () => {
  const authority = createAuthority({ commonName: 'kubernetes', clock });
  const leaf = new X509Certificate(issueCertificate(authority, LEAVES[0]![1]).certPem);
  assert.equal(leaf.subjectAltName, 'DNS:localhost, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1');
  const client = new X509Certificate(issueCertificate(authority, LEAVES[1]![1]).certPem);
  assert.equal(client.subject, 'O=a\nO=b\nCN=jane');
});

test('readSubject: names come back as they were given, separators included', () => {
  const authority = createAuthority({ commonName: 'kubernetes', clock });
  for (const subject of [
    { commonName: 'jane', organizations: ['a', 'b'] },
    { commonName: 'x\nO=system:masters', organizations: [] },
    { commonName: 'käthe, O=1+2', organizations: ['ünïcode'] },
  ]) {
    const { certPem } = issueCertificate(authority, { ...subject, usage: 'client' });
    assert.deepEqual(readSubject(new X509Certificate(certPem).raw), subject);
  }
});

test('issueCertificate: never outlives its authority, and dates beyond 2049 work', () => {
  const authority = createAuthority({ commonName: 'kubernetes', clock, validityMs: 40 * 365 * DAY_MS });
  const leaf = issueCertificate(authority, { commonName: 'x', usage: 'client', validityMs: 90 * 365 * DAY_MS });
  const end = new X509Certificate(leaf.certPem).validToDate;
  assert.deepEqual(end, new X509Certificate(authority.certPem).validToDate);
  assert.ok(end.getUTCFullYear() > 2050);
});

test('loadAuthority: signs like the authority it was saved from', () => {
  const made = createAuthority({ commonName: 'kubernetes', clock });
  const loaded = loadAuthority({ certPem: made.certPem, keyPem: made.keyPem }, clock);
  const leaf = new X509Certificate(issueCertificate(loaded, { commonName: 'x', usage: 'client' }).certPem);
  assert.ok(leaf.checkIssued(new X509Certificate(made.certPem)));
});

test('loadAuthority: refuses a leaf, and a key of another certificate', () => {
  const authority = createAuthority({ commonName: 'kubernetes', clock });
  const other = createAuthority({ commonName: 'other', clock });
  assert.throws(
    () => loadAuthority(issueCertificate(authority, { commonName: 'x', usage: 'client' }), clock),
    /not an authority/,
  );
  assert.throws(() => loadAuthority({ certPem: authority.certPem, keyPem: other.keyPem }, clock), /does not belong/);
});

const PLAN = {
  clock,
  serverAddresses: ['10.96.0.1', '10.89.0.1'],
  nodes: [{ name: 'node-1', addresses: ['10.89.0.11'] }],
};

test('planPki: a new cluster gets every file, a second plan changes nothing', () => {
  const first = planPki({ ...PLAN, existing: new Map() });
  assert.deepEqual([...first.files.keys()].sort(), [...first.changed].sort());
  for (const name of ['ca.crt', 'apiserver.key', 'admin.crt', 'sa.key', 'sa.pub', `${nodeServingName('node-1')}.crt`]) {
    assert.ok(first.files.has(name), name);
  }
  assert.deepEqual(planPki({ ...PLAN, existing: first.files }).changed, []);
});

test('planPki: only what no longer fits is issued anew', () => {
  const { files } = planPki({ ...PLAN, existing: new Map() });
  const cases: [string, Parameters<typeof planPki>[0], string[]][] = [
    ['new address', { ...PLAN, existing: files, serverAddresses: ['192.0.2.1'] }, ['apiserver.crt', 'apiserver.key']],
    ['damaged', { ...PLAN, existing: new Map([...files, ['admin.crt', 'x']]) }, ['admin.crt', 'admin.key']],
    [
      'new node',
      { ...PLAN, existing: files, nodes: [...PLAN.nodes, { name: 'n2', addresses: [] }] },
      ['nodes/n2/kubelet-client.crt', 'nodes/n2/kubelet-client.key', 'nodes/n2/kubelet.crt', 'nodes/n2/kubelet.key'],
    ],
  ];
  for (const [name, options, changed] of cases) assert.deepEqual(planPki(options).changed, changed, name);
  const later = planPki({ ...PLAN, existing: files, clock: new FakeClock(clock.now() + 340 * DAY_MS) });
  assert.ok(later.changed.includes('admin.crt') && !later.changed.includes('ca.crt'));
});

test('planPki: half an authority is an error, not a new authority', () => {
  const { files } = planPki({ ...PLAN, existing: new Map() });
  assert.throws(() => planPki({ ...PLAN, existing: new Map([['ca.crt', files.get('ca.crt')!]]) }), /only ca.crt/);
});

test('a TLS handshake with both certificates authorizes both sides', async () => {
  const { files } = planPki({ ...PLAN, existing: new Map() });
  const ca = files.get('ca.crt')!;
  const server = createServer({
    ca,
    cert: files.get('apiserver.crt')!,
    key: files.get('apiserver.key')!,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const seen = new Promise<string>((resolve) => {
    server.on('secureConnection', (socket: TLSSocket) => {
      resolve(String(socket.getPeerX509Certificate()?.subject));
      socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const client = connect({ port, host: '127.0.0.1', ca, cert: files.get('admin.crt')!, key: files.get('admin.key')! });
  client.resume();
  assert.equal(await seen, 'O=system:masters\nCN=kubernetes-admin');
  client.destroy();
  await new Promise((resolve) => server.close(resolve));
});

test('renderKubeconfig: credentials are inside, in both forms', () => {
  const base = { name: 'sampan', server: 'https://127.0.0.1:6443', caPem: 'CA' };
  const token = parse(renderKubeconfig({ ...base, user: { token: 't' }, namespace: 'web' }));
  assert.deepEqual(token.users, [{ name: 'sampan', user: { token: 't' } }]);
  assert.equal(token.contexts[0].context.namespace, 'web');
  const certificate = parse(renderKubeconfig({ ...base, user: { certPem: 'C', keyPem: 'K' } }));
  assert.equal(certificate['current-context'], 'sampan');
  assert.equal(certificate.clusters[0].cluster['certificate-authority-data'], 'Q0E=');
  assert.deepEqual(certificate.users[0].user, { 'client-certificate-data': 'Qw==', 'client-key-data': 'Sw==' });
});
