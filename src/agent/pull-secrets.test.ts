import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseImage } from './image-reference.ts';
import { credentialsFor } from './pull-secrets.ts';

test('parseImage() completes short names, and refuses what is none', () => {
  const rows: [string, string | undefined][] = [
    ['nginx', 'docker.io library/nginx'],
    ['nginx:1.27', 'docker.io library/nginx'],
    ['radial/busyboxplus:curl', 'docker.io radial/busyboxplus'],
    ['registry.k8s.io/pause:3.10', 'registry.k8s.io pause'],
    ['localhost/app', 'localhost app'],
    [
      'localhost:5000/a/b@sha256:0123456789012345678901234567890123456789012345678901234567890123',
      'localhost:5000 a/b',
    ],
    ['index.docker.io/library/nginx', 'docker.io library/nginx'],
    ['Nginx', undefined],
    ['nginx:', undefined],
    ['http://nginx', undefined],
    ['a b', undefined],
    ['app:-tag', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of rows) {
    const found = parseImage(text);
    assert.equal(found && `${found.registry} ${found.repository}`, expected, text);
  }
});

test('credentialsFor() finds those of the registry, the longest path first', () => {
  const auth = (text: string) => Buffer.from(text).toString('base64');
  const secret = (auths: object) => ({ '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })) });
  const both = secret({
    'https://index.docker.io/v1/': { auth: auth('hub:secret:with:colons') },
    'registry.example.org': { username: 'plain', password: 'p' },
    'registry.example.org/team': { username: 'team', password: 't' },
    '*.wild.example': { username: 'wild', password: 'w' },
    'localhost:5000': { username: 'local', password: 'l' },
  });
  const old = { '.dockercfg': Buffer.from(JSON.stringify({ 'old.example': { username: 'old', password: 'o' } })) };
  const broken = { '.dockerconfigjson': Buffer.from('{') };
  const rows: [string, string[]][] = [
    ['nginx', ['hub secret:with:colons']],
    ['registry.example.org/app', ['plain p']],
    ['registry.example.org/team/app', ['team t', 'plain p']],
    ['registry.example.org/teamwork/app', ['plain p']],
    ['a.wild.example/app', ['wild w']],
    ['a.b.wild.example/app', []],
    ['localhost:5000/app', ['local l']],
    ['localhost:5001/app', []],
    ['old.example/app', ['old o']],
    ['other.example/app', []],
  ];
  for (const [image, expected] of rows) {
    const found = credentialsFor(image, [broken, both, old]).map(({ username, password }) => `${username} ${password}`);
    assert.deepEqual(found, expected, image);
  }
});
