import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from 'dns-packet';
import type { Ingress, Node, Service } from '../api/types.ts';
import { parseCidr } from '../lib/ip.ts';
import { type AddressPlan, frontendsOf, ingressFrontends, loopbackOf } from './frontends.ts';
import { answerQuery } from './names.ts';

const PLAN: AddressPlan = {
  networks: [
    { cluster: parseCidr('10.89.0.0/24')!, loopback: parseCidr('127.89.0.0/24')! },
    { cluster: parseCidr('10.96.0.0/16')!, loopback: parseCidr('127.96.0.0/16')! },
  ],
};

const NODES = ['10.89.0.11', '10.89.0.12'].map(
  (address, index) =>
    ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: `node-${index + 1}` },
      status: {
        addresses: [
          { type: 'Hostname', address: 'x' },
          { type: 'InternalIP', address },
        ],
      },
    }) as Node,
);

function service(spec: object, ingress: object[] = []): Service {
  const metadata = { name: 'web', namespace: 'shop' };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec, status: { loadBalancer: { ingress } } } as Service;
}

test('each planned address has its loopback address, any other has none', () => {
  const cases: [string, string | undefined][] = [
    ['10.89.0.200', '127.89.0.200'],
    ['10.96.255.1', '127.96.255.1'],
    ['10.97.0.1', undefined],
    ['fd00::1', undefined],
    ['None', undefined],
  ];
  for (const [ip, expected] of cases) assert.equal(loopbackOf(PLAN, ip), expected, ip);
});

test('a Service listens for its cluster IP, its load balancer address and its ports of every node', () => {
  const shown = (one: Service) =>
    frontendsOf(one, NODES, PLAN).map(
      ({ address, port, target }) => `${address}:${port} ${target.address}:${target.port}`,
    );
  const ports = [{ port: 80, nodePort: 30080 }];
  assert.deepEqual(shown(service({ clusterIPs: ['10.96.1.2'], ports: [{ port: 80 }] })), [
    '127.96.1.2:80 10.96.1.2:80',
  ]);
  assert.deepEqual(shown(service({ clusterIPs: ['10.96.1.2'], ports }, [{ ip: '10.89.0.200' }])), [
    '127.96.1.2:80 10.96.1.2:80',
    '127.89.0.200:80 10.89.0.200:80',
    '127.89.0.11:30080 10.89.0.11:30080',
    '127.89.0.12:30080 10.89.0.12:30080',
  ]);
  assert.deepEqual(shown(service({ clusterIPs: ['None'], ports: [{ port: 80 }] })), []);
  assert.deepEqual(shown(service({ clusterIPs: ['10.96.1.2'], ports: [{ port: 53, protocol: 'UDP' }] })), []);
  assert.deepEqual(shown(service({ type: 'ExternalName', externalName: 'example.com' })), []);
  assert.deepEqual(shown(service({ clusterIPs: ['10.96.1.2'], ports: [] }, [{ hostname: 'lb.example.com' }])), []);
});

test('Ingresses listen at their addresses, each once', () => {
  const ingress = (...ips: string[]) =>
    ({ status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } } }) as Ingress;
  const all = [ingress('10.89.0.11', '192.0.2.1'), ingress('10.89.0.11'), ingress()];
  const shown = ingressFrontends(all, PLAN).map(
    ({ address, port, target }) => `${address}:${port} ${target.address}:${target.port}`,
  );
  assert.deepEqual(shown, ['127.89.0.11:80 10.89.0.11:80', '127.89.0.11:443 10.89.0.11:443']);
});

test('names of Services are answered with loopback addresses', () => {
  const known = new Map([
    ['shop/web', service({ clusterIP: '10.96.1.2' }, [{ ip: '10.89.0.200' }])],
    ['shop/inner', service({ clusterIP: '10.96.1.3' })],
    ['shop/headless', service({ clusterIP: 'None' })],
  ]);
  const find = (name: string, namespace: string) => known.get(`${namespace}/${name}`);
  const ask = (name: string, type: 'A' | 'AAAA' = 'A') => {
    const query = encode({ type: 'query', id: 7, questions: [{ type, name }] });
    const answer = decode(answerQuery(query, { domain: 'sampan.local', plan: PLAN, find })!);
    assert.equal(answer.id, 7);
    const data = answer.answers?.map((one) => ('data' in one ? one.data : undefined)) ?? [];
    return [(answer as { rcode?: string }).rcode, ...data];
  };
  assert.deepEqual(ask('web.shop.sampan.local'), ['NOERROR', '127.89.0.200']);
  assert.deepEqual(ask('WEB.Shop.sampan.local'), ['NOERROR', '127.89.0.200']);
  assert.deepEqual(ask('inner.shop.sampan.local'), ['NOERROR', '127.96.1.3']);
  assert.deepEqual(ask('inner.shop.sampan.local', 'AAAA'), ['NOERROR']);
  assert.deepEqual(ask('headless.shop.sampan.local'), ['NXDOMAIN']);
  assert.deepEqual(ask('nobody.shop.sampan.local'), ['NXDOMAIN']);
  assert.deepEqual(ask('a.web.shop.sampan.local'), ['NXDOMAIN']);
  assert.deepEqual(ask('example.com'), ['REFUSED']);
});

test('what is no query gets no answer', () => {
  const options = { domain: 'sampan.local', plan: PLAN, find: () => undefined };
  const response = encode({ type: 'response', id: 1, questions: [{ type: 'A', name: 'a.b.sampan.local' }] });
  for (const message of [Buffer.alloc(0), Buffer.from([1, 2, 3]), Buffer.alloc(600, 0xc0), response]) {
    assert.equal(answerQuery(message, options), undefined);
  }
});
