import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from 'dns-packet';
import { createFixture, type DnsFixture, namespace, queryPacket, service, slice } from './dns.fixture.ts';
import { formatResponse } from './zone-file.ts';

/** The cluster that the tables below speak of. */
async function sampleCluster(): Promise<DnsFixture> {
  const fixture = createFixture();
  await fixture.apply(
    ...['default', 'kube-system', 'quiet'].map(namespace),
    service('default/kubernetes', { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] }),
    service('kube-system/kube-dns', {
      clusterIP: '10.96.0.10',
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    }),
    service('default/plain', { clusterIP: '10.96.0.7', ports: [{ port: 80 }] }),
    service('default/dual', {
      clusterIP: '10.96.0.8',
      clusterIPs: ['10.96.0.8', 'fd00:96::8'],
      ports: [{ name: 'web', port: 80 }],
    }),
    service('default/pending', { clusterIP: '', ports: [{ port: 80 }] }),
    service('default/pets', { clusterIP: 'None', ports: [{ name: 'db', port: 5432 }] }),
    slice('default/pets-1', {
      service: 'pets',
      ports: [{ name: 'db', port: 5432, protocol: 'TCP' }],
      endpoints: [
        { address: '10.244.1.5', hostname: 'pets-0', conditions: { ready: true } },
        { address: '10.244.2.6', conditions: {} },
        { address: '10.244.2.7', conditions: { ready: false } },
      ],
    }),
    service('default/empty', { clusterIP: 'None', ports: [{ name: 'db', port: 1 }] }),
    service('default/elsewhere', { type: 'ExternalName', externalName: 'www.example.com' }),
    service('default/near', { type: 'ExternalName', externalName: 'Plain.default.svc.cluster.local.' }),
    service('default/far', { type: 'ExternalName', externalName: 'near.default.svc.cluster.local' }),
    service('default/lost', { type: 'ExternalName', externalName: 'nobody.default.svc.cluster.local' }),
    service('default/to-pod', { type: 'ExternalName', externalName: '10-244-9-9.quiet.pod.cluster.local' }),
    service('default/loop', { type: 'ExternalName', externalName: 'loop.default.svc.cluster.local' }),
  );
  return fixture;
}

const SOA = ';; AUTHORITY\nZONE 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1767225600 7200 1800 86400 5';
const soa = (zone: string) => SOA.replace('ZONE', zone);
const NODATA = `NOERROR aa\n${soa('cluster.local.')}`;
const NXDOMAIN = `NXDOMAIN aa\n${soa('cluster.local.')}`;
const NXDOMAIN_SERVICES = `NXDOMAIN aa\n${soa('96.10.in-addr.arpa.')}`;
const SVC = 'default.svc.cluster.local';

const tables: Record<string, readonly (readonly [question: string, answer: string])[]> = {
  'Services with a ClusterIP': [
    [`A kubernetes.${SVC}`, `NOERROR aa\nkubernetes.${SVC}. 5 IN A 10.96.0.1`],
    [`AAAA kubernetes.${SVC}`, NODATA],
    [`TXT kubernetes.${SVC}`, NODATA],
    [`A dual.${SVC}`, `NOERROR aa\ndual.${SVC}. 5 IN A 10.96.0.8`],
    [`AAAA dual.${SVC}`, `NOERROR aa\ndual.${SVC}. 5 IN AAAA fd00:96::8`],
    [`A pending.${SVC}`, NXDOMAIN],
    [`A nobody.${SVC}`, NXDOMAIN],
    [`A below.kubernetes.${SVC}`, NXDOMAIN],
    ['ANY dns-version.cluster.local', 'NOERROR aa\ndns-version.cluster.local. 5 IN TXT "1.1.0"'],
  ],
  'SRV of named ports': [
    [
      `SRV _https._tcp.kubernetes.${SVC}`,
      `NOERROR aa
_https._tcp.kubernetes.${SVC}. 5 IN SRV 0 100 443 kubernetes.${SVC}.
;; ADDITIONAL
kubernetes.${SVC}. 5 IN A 10.96.0.1`,
    ],
    [
      'SRV _dns._udp.kube-dns.kube-system.svc.cluster.local',
      `NOERROR aa
_dns._udp.kube-dns.kube-system.svc.cluster.local. 5 IN SRV 0 100 53 kube-dns.kube-system.svc.cluster.local.
;; ADDITIONAL
kube-dns.kube-system.svc.cluster.local. 5 IN A 10.96.0.10`,
    ],
    [
      'SRV kube-dns.kube-system.svc.cluster.local',
      `NOERROR aa
kube-dns.kube-system.svc.cluster.local. 5 IN SRV 0 100 53 kube-dns.kube-system.svc.cluster.local.
;; ADDITIONAL
kube-dns.kube-system.svc.cluster.local. 5 IN A 10.96.0.10`,
    ],
    [
      `SRV _web._tcp.dual.${SVC}`,
      `NOERROR aa
_web._tcp.dual.${SVC}. 5 IN SRV 0 100 80 dual.${SVC}.
;; ADDITIONAL
dual.${SVC}. 5 IN A 10.96.0.8
dual.${SVC}. 5 IN AAAA fd00:96::8`,
    ],
    [`A _https._tcp.kubernetes.${SVC}`, NODATA],
    [`SRV _tcp.kubernetes.${SVC}`, NODATA],
    [`SRV _https._udp.kubernetes.${SVC}`, NXDOMAIN],
    [`SRV _http._tcp.plain.${SVC}`, NXDOMAIN],
  ],
  'headless Services': [
    [`A pets.${SVC}`, `NOERROR aa\npets.${SVC}. 5 IN A 10.244.1.5\npets.${SVC}. 5 IN A 10.244.2.6`],
    [`AAAA pets.${SVC}`, NODATA],
    [`A pets-0.pets.${SVC}`, `NOERROR aa\npets-0.pets.${SVC}. 5 IN A 10.244.1.5`],
    [`A 10-244-2-6.pets.${SVC}`, `NOERROR aa\n10-244-2-6.pets.${SVC}. 5 IN A 10.244.2.6`],
    [`A 10-244-2-7.pets.${SVC}`, NXDOMAIN],
    [`A empty.${SVC}`, NXDOMAIN],
    [
      `SRV _db._tcp.pets.${SVC}`,
      `NOERROR aa
_db._tcp.pets.${SVC}. 5 IN SRV 0 50 5432 pets-0.pets.${SVC}.
_db._tcp.pets.${SVC}. 5 IN SRV 0 50 5432 10-244-2-6.pets.${SVC}.
;; ADDITIONAL
pets-0.pets.${SVC}. 5 IN A 10.244.1.5
10-244-2-6.pets.${SVC}. 5 IN A 10.244.2.6`,
    ],
  ],
  'reverse names': [
    ['PTR 1.0.96.10.in-addr.arpa', `NOERROR aa\n1.0.96.10.in-addr.arpa. 5 IN PTR kubernetes.${SVC}.`],
    ['PTR 5.1.244.10.in-addr.arpa', `NOERROR aa\n5.1.244.10.in-addr.arpa. 5 IN PTR pets-0.pets.${SVC}.`],
    ['PTR 6.2.244.10.in-addr.arpa', `NOERROR aa\n6.2.244.10.in-addr.arpa. 5 IN PTR 10-244-2-6.pets.${SVC}.`],
    ['PTR 99.0.96.10.in-addr.arpa', NXDOMAIN_SERVICES],
    ['PTR 0.96.10.in-addr.arpa', `NOERROR aa\n${soa('96.10.in-addr.arpa.')}`],
    ['A 1.0.96.10.in-addr.arpa', `NOERROR aa\n${soa('96.10.in-addr.arpa.')}`],
    ['PTR 1.1.168.192.in-addr.arpa', 'REFUSED'],
  ],
  ExternalName: [
    [`A elsewhere.${SVC}`, `NOERROR aa\nelsewhere.${SVC}. 5 IN CNAME www.example.com.`],
    [`CNAME elsewhere.${SVC}`, `NOERROR aa\nelsewhere.${SVC}. 5 IN CNAME www.example.com.`],
    [
      `A far.${SVC}`,
      `NOERROR aa
far.${SVC}. 5 IN CNAME near.${SVC}.
near.${SVC}. 5 IN CNAME Plain.${SVC}.
plain.${SVC}. 5 IN A 10.96.0.7`,
    ],
    [`AAAA near.${SVC}`, `NOERROR aa\nnear.${SVC}. 5 IN CNAME Plain.${SVC}.\n${soa('cluster.local.')}`],
    [`A lost.${SVC}`, `NXDOMAIN aa\nlost.${SVC}. 5 IN CNAME nobody.${SVC}.\n${soa('cluster.local.')}`],
    [
      `A to-pod.${SVC}`,
      `NOERROR aa
to-pod.${SVC}. 5 IN CNAME 10-244-9-9.quiet.pod.cluster.local.
10-244-9-9.quiet.pod.cluster.local. 5 IN A 10.244.9.9`,
    ],
    [`A loop.${SVC}`, 'SERVFAIL'],
  ],
  'pod names': [
    ['A 10-244-1-5.default.pod.cluster.local', 'NOERROR aa\n10-244-1-5.default.pod.cluster.local. 5 IN A 10.244.1.5'],
    ['AAAA fd00--1.default.pod.cluster.local', 'NOERROR aa\nfd00--1.default.pod.cluster.local. 5 IN AAAA fd00::1'],
    ['AAAA 10-244-1-5.default.pod.cluster.local', NODATA],
    ['A 10-244-1-5.nowhere.pod.cluster.local', NXDOMAIN],
    ['A 10-244-1-500.default.pod.cluster.local', NXDOMAIN],
    ['A some-pod.default.pod.cluster.local', NXDOMAIN],
  ],
  'the zone itself': [
    ['TXT dns-version.cluster.local', 'NOERROR aa\ndns-version.cluster.local. 5 IN TXT "1.1.0"'],
    ['SOA cluster.local', `NOERROR aa\n${soa('cluster.local.').replace(';; AUTHORITY\n', '')}`],
    ['SOA 96.10.in-addr.arpa', `NOERROR aa\n${soa('96.10.in-addr.arpa.').replace(';; AUTHORITY\n', '')}`],
    ['NS cluster.local', 'NOERROR aa\ncluster.local. 5 IN NS ns.dns.cluster.local.'],
    ['A ns.dns.cluster.local', 'NOERROR aa\nns.dns.cluster.local. 5 IN A 10.96.0.10'],
    ['A cluster.local', NODATA],
    ['A svc.cluster.local', NODATA],
    ['A pod.cluster.local', NODATA],
    ['A dns.cluster.local', NODATA],
    ['A quiet.svc.cluster.local', NODATA],
    ['A quiet.pod.cluster.local', NODATA],
    ['A nowhere.svc.cluster.local', NXDOMAIN],
    ['A kubernetes.default.svc.cluster.local.svc.cluster.local', NXDOMAIN],
  ],
  'other zones, without upstreams': [
    ['A www.example.com', 'REFUSED'],
    ['A local', 'REFUSED'],
    ['NS .', 'REFUSED'],
    ['A notcluster.local', 'REFUSED'],
  ],
};

for (const [title, rows] of Object.entries(tables)) {
  test(`answers: ${title}`, async () => {
    const { ask } = await sampleCluster();
    for (const [question, answer] of rows) assert.equal(ask(question), answer, question);
  });
}

test('until the caches have synced cluster names fail and are never said not to exist', async () => {
  const fixture = createFixture({ synced: false });
  await fixture.apply(service('default/web', { clusterIP: '10.96.0.5' }));
  for (const name of ['web.default', 'nobody.default'])
    assert.equal(fixture.ask(`A ${name}.svc.cluster.local`), 'SERVFAIL');
  fixture.informers.markSynced();
  assert.equal(fixture.ask(`A web.${SVC}`), `NOERROR aa\nweb.${SVC}. 5 IN A 10.96.0.5`);
  assert.equal(fixture.ask(`A nobody.${SVC}`).split('\n')[0], 'NXDOMAIN aa');
});

test('a long first list is taken in by turns, and nothing is said not to exist before its end', async () => {
  const fixture = createFixture();
  const many = Array.from({ length: 1200 }, (_, i) => service(`default/web-${i}`, { clusterIP: `10.96.4.${i % 250}` }));
  await fixture.apply(...many);
  const answers = [];
  while (answers.at(-1) !== 'NOERROR') {
    answers.push(fixture.ask(`A web-1199.${SVC}`).split(/\s/)[0]);
    await new Promise(setImmediate);
  }
  assert.deepEqual([...new Set(answers)], ['SERVFAIL', 'NOERROR']);
});

test('answers follow each change', async () => {
  const { ask, apply, remove } = await sampleCluster();
  const first = service('default/web', { clusterIP: '10.96.1.1', ports: [{ name: 'http', port: 80 }] });
  await apply(first);
  assert.match(ask(`SRV _http._tcp.web.${SVC}`), /0 100 80/);
  await apply(service('default/web', { clusterIP: '10.96.1.1', ports: [{ name: 'http', port: 81 }] }));
  assert.match(ask(`SRV _http._tcp.web.${SVC}`), /0 100 81/);
  await apply(service('default/web', { type: 'ExternalName', externalName: `plain.${SVC}` }));
  assert.match(ask(`A web.${SVC}`), /CNAME/);
  assert.equal(ask('PTR 1.1.96.10.in-addr.arpa'), NXDOMAIN_SERVICES);
  await remove(first);
  assert.equal(ask(`A web.${SVC}`), NXDOMAIN);
  await remove(namespace('quiet'));
  assert.equal(ask('A quiet.svc.cluster.local'), NXDOMAIN);
});

test('headless answers follow their slices, one slice at a time', async () => {
  const { ask, apply, remove } = createFixture();
  const endpoints = (...addresses: string[]) => addresses.map((address) => ({ address }));
  const one = slice('default/a', { service: 'pets', endpoints: endpoints('10.244.0.1', '10.244.0.2') });
  const two = slice('default/b', { service: 'pets', endpoints: endpoints('10.244.0.2', '10.244.0.3') });
  // A slice may arrive before its Service.
  await apply(one, two);
  await apply(service('default/pets', { clusterIP: 'None' }));
  const addresses = () => [...ask(`A pets.${SVC}`).matchAll(/ A (\S+)/g)].map(([, address]) => address);
  assert.deepEqual(addresses(), ['10.244.0.1', '10.244.0.2', '10.244.0.3']);
  await remove(one);
  assert.deepEqual(addresses(), ['10.244.0.2', '10.244.0.3']);
  await apply(slice('default/b', { service: 'other', endpoints: endpoints('10.244.0.2') }));
  assert.deepEqual(addresses(), []);
});

test('names keep the case of the question and any case finds them', async () => {
  const { ask } = await sampleCluster();
  assert.equal(ask(`A KuberNetes.${SVC}`), `NOERROR aa\nKuberNetes.${SVC}. 5 IN A 10.96.0.1`);
  assert.equal(ask('A nobody.SVC.Cluster.LOCAL'), NXDOMAIN.replace('cluster.local. 5', 'Cluster.LOCAL. 5'));
});

test('the order of several records turns with chance', async () => {
  let chance = 0;
  const { ask, apply } = createFixture({ random: () => chance });
  const endpoints = [1, 2, 3].map((last) => ({ address: `10.244.0.${last}` }));
  await apply(service('default/pets', { clusterIP: 'None' }), slice('default/a', { service: 'pets', endpoints }));
  const orders = [0, 0.4, 0.99].map((next) => {
    chance = next;
    return [...ask(`A pets.${SVC}`).matchAll(/ A \S+\.(\d)/g)].map(([, last]) => last).join('');
  });
  assert.deepEqual(orders, ['123', '231', '312']);
});

test('large answers are cut at whole records over UDP and whole over TCP', async () => {
  const { responder, apply, metrics } = createFixture({ random: () => 0.5 });
  const endpoints = Array.from({ length: 200 }, (_, i) => ({ address: `10.244.3.${i}` }));
  await apply(service('default/pets', { clusterIP: 'None' }), slice('default/a', { service: 'pets', endpoints }));
  const rows = [
    { udpOctets: undefined, most: 512, count: 29 },
    { udpOctets: 100, most: 512, count: 28 },
    { udpOctets: 4096, most: 1232, count: 73 },
  ];
  for (const { udpOctets, most, count } of rows) {
    const query = queryPacket(`A pets.${SVC}`, udpOctets === undefined ? {} : { udpOctets });
    const response = responder.respond(query, 'udp') as Buffer;
    const packet = decode(response);
    assert.ok(response.length <= most && response.length > most - 32, `${response.length}`);
    assert.equal(packet.flag_tc, true);
    assert.equal(packet.answers?.length, count);
    assert.deepEqual(packet.answers?.[0], { ...packet.answers?.[0], data: '10.244.3.100' });
  }
  const whole = decode(responder.respond(queryPacket(`A pets.${SVC}`), 'tcp') as Buffer);
  assert.equal(whole.flag_tc, false);
  assert.equal(new Set(whole.answers?.map((record) => 'data' in record && record.data)).size, 200);
  assert.equal(metrics.truncated, 3);
});

test('EDNS: version 0 is answered in kind, others with BADVERS', async () => {
  const { responder } = await sampleCluster();
  const rows = [
    [{ udpOctets: 4096 }, 'OPT 1232'],
    [{ udpOctets: 4096, flags: 0x8000 }, 'OPT 1232 do'],
  ] as const;
  for (const [options, opt] of rows) {
    const response = responder.respond(queryPacket(`A plain.${SVC}`, options), 'udp') as Buffer;
    assert.equal(formatResponse(response), `NOERROR aa\nplain.${SVC}. 5 IN A 10.96.0.7\n;; ADDITIONAL\n${opt}`);
  }
  const query = queryPacket(`A plain.${SVC}`, { udpOctets: 4096 });
  query[query.length - 5] = 1;
  assert.equal(formatResponse(responder.respond(query, 'udp') as Buffer), 'BADVERS\n;; ADDITIONAL\nOPT 1232');
});

test('id, opcode, RD and CD come back, AD and RA do not', async () => {
  const { responder } = await sampleCluster();
  const query = queryPacket(`A plain.${SVC}`, { id: 0xbeef });
  query.writeUInt16BE(0x0130, 2);
  const response = responder.respond(query, 'udp') as Buffer;
  assert.equal(response.readUInt16BE(0), 0xbeef);
  assert.equal(response.readUInt16BE(2), 0x8510);
});

test('what is not a plain question gets the code that says so, or silence', async () => {
  const { responder, metrics } = await sampleCluster();
  const change = (edit: (packet: Buffer) => Buffer | undefined) => {
    const packet = queryPacket(`A plain.${SVC}`, { udpOctets: 1232 });
    return edit(packet) ?? packet;
  };
  const nameEnd = 12 + `plain.${SVC}`.length + 1;
  const rows: readonly (readonly [string, Buffer, string | undefined])[] = [
    ['empty', Buffer.alloc(0), undefined],
    ['shorter than a header', Buffer.alloc(11), undefined],
    ['a response', change((packet) => void packet.writeUInt8(0x80, 2)), undefined],
    ['a header alone', Buffer.alloc(12), 'FORMERR'],
    ['opcode UPDATE', change((packet) => void packet.writeUInt8(5 << 3, 2)), 'NOTIMP'],
    ['two questions', change((packet) => void packet.writeUInt8(2, 5)), 'FORMERR'],
    ['a cut question', change((packet) => packet.subarray(0, nameEnd + 2)), 'FORMERR'],
    ['a compressed question', change((packet) => void packet.writeUInt16BE(0xc00c, 12)), 'FORMERR'],
    ['a label of 64', change((packet) => void packet.writeUInt8(64, 12)), 'FORMERR'],
    ['a cut OPT record', change((packet) => packet.subarray(0, -3)), 'FORMERR'],
    ['a missing record', change((packet) => void packet.writeUInt8(2, 11)), 'FORMERR'],
    [
      'two OPT records',
      change((packet) => {
        packet.writeUInt8(2, 11);
        return Buffer.concat([packet, packet.subarray(-11)]);
      }),
      'FORMERR',
    ],
    ['class CHAOS', change((packet) => void packet.writeUInt8(3, nameEnd + 4)), 'REFUSED'],
    ['class NONE', change((packet) => void packet.writeUInt8(254, nameEnd + 3)), 'REFUSED'],
  ];
  for (const [title, packet, code] of rows) {
    const response = responder.respond(packet, 'udp') as Buffer | undefined;
    assert.equal(response && formatResponse(response).split(/\s/)[0], code, title);
  }
  assert.equal(metrics.dropped, 3);
  assert.equal(metrics.responses[1], 8);
});
