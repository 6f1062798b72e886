import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseKubeconfig } from './https.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

function kubeconfig(cluster: string, user: string, current = 'here'): string {
  return `apiVersion: v1
kind: Config
current-context: ${current}
contexts:
- {name: elsewhere, context: {cluster: none, user: none}}
- {name: here, context: {cluster: c, user: u}}
clusters:
- {name: c, cluster: {server: "https://10.0.0.1:6443", ${cluster}}}
users:
- {name: u, user: {${user}}}
`;
}

test('parseKubeconfig() takes the current context, with files or data', () => {
  const readFile = (path: string) => `content of ${path}`;
  const rows: [string, string, object][] = [
    [
      `certificate-authority-data: ${base64('CA')}`,
      `client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}`,
      { ca: 'CA', cert: 'CERT', key: 'KEY', token: undefined },
    ],
    [
      'certificate-authority: /ca',
      'client-certificate: /cert, client-key: /key',
      { ca: 'content of /ca', cert: 'content of /cert', key: 'content of /key', token: undefined },
    ],
    [
      `certificate-authority: /ca, certificate-authority-data: ${base64('CA')}`,
      'token: secret',
      { ca: 'CA', cert: undefined, key: undefined, token: 'secret' },
    ],
  ];
  for (const [cluster, user, wanted] of rows) {
    assert.deepEqual(parseKubeconfig(kubeconfig(cluster, user), readFile), {
      server: 'https://10.0.0.1:6443',
      ...wanted,
    });
  }
});

test('parseKubeconfig() names what is missing', () => {
  const readFile = () => '';
  const rows: [string, RegExp][] = [
    ['', /expected a context named undefined/],
    ['just text', /expected a context named undefined/],
    [kubeconfig('a: b', 'token: t', 'nowhere'), /expected a context named "nowhere"/],
    [kubeconfig('a: b', 'token: t', 'elsewhere'), /expected a cluster named "none"/],
  ];
  for (const [text, message] of rows) assert.throws(() => parseKubeconfig(text, readFile), message);
});
