import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodePortIps, parseNodePortAddresses } from './node-ports.ts';

const addresses = {
  primary: ['10.89.0.11', 'fd00:10:89::11'],
  all: ['127.0.0.1', '10.89.0.11', '192.0.2.11', '::1', 'fe80::1', 'fd00:10:89::11'],
};

describe('nodePortIps', () => {
  const rows: [string, string[]][] = [
    ['primary', ['10.89.0.11', 'fd00:10:89::11']],
    ['192.0.2.0/24', ['192.0.2.11']],
    ['10.89.0.0/16,fd00::/8', ['10.89.0.11', 'fd00:10:89::11']],
    ['0.0.0.0/0', ['10.89.0.11', '192.0.2.11']],
    ['127.0.0.0/8', []],
    ['::/0', ['fd00:10:89::11']],
  ];
  for (const [text, expected] of rows)
    it(text, () => assert.deepEqual(nodePortIps(parseNodePortAddresses(text)!, addresses), expected));

  for (const text of ['', 'all', '10.89.0.11', '10.89.0.0/16,x'])
    it(`is not "${text}"`, () => assert.equal(parseNodePortAddresses(text), undefined));
});
