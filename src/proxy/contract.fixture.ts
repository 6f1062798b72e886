import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ServiceMap } from '../servicemap/service-map.ts';
import { type ContractCase, contract, type Flow, PORTS, world } from './contract.ts';
import { everyFate, type Fate, type Packet } from './fate.ts';
import type { Changes } from './mode.ts';

/** What a mode can not do, by the name of the case, with the reason. */
export type Skips = Readonly<Record<string, string>>;

/**
 * Registers one test a case of the contract. A case that is skipped must fail, and a skip must name a case: so none outlives
 * its reason.
 */
export function testContract(check: (flow: Flow) => Promise<void>, skips: Skips = {}): void {
  for (const one of contract) {
    const reason = skips[one.name];
    if (reason === undefined) it(one.name, () => checkCase(one, check));
    else
      it(`${one.name} — not so here: ${reason}`, () =>
        assert.rejects(checkCase(one, check), 'it works: the skip is out of date'));
  }
  it('skips name cases of the contract', () => {
    const names = new Set(contract.map(({ name }) => name));
    assert.deepEqual(
      Object.keys(skips).filter((name) => !names.has(name)),
      [],
    );
  });
}

async function checkCase({ flows }: ContractCase, check: (flow: Flow) => Promise<void>): Promise<void> {
  for (const flow of flows)
    await check(flow).catch((error: Error) => {
      throw new Error(`${flow.from} → ${flow.to}:${flow.port}/${flow.protocol}: ${error.message}`);
    });
}

/** Ports of all Services of the contract, as this node owes them. */
export function contractChanges(): Changes {
  const map = new ServiceMap({ name: world.nodeName });
  for (const { services, slices } of contract) {
    for (const service of services) map.setService(service);
    for (const slice of slices) map.setSlice(slice);
  }
  return map.takeChanges();
}

const CLIENTS = { ...world.pods, node: world.nodeIp, 'other-node': world.otherNodeIp, outside: world.outsideIp };

/** A flow's first packet. */
export function packetOf({ from, to, port, protocol }: Flow): Packet {
  return {
    source: CLIENTS[from],
    destination: to,
    port,
    protocol: protocol.toLowerCase(),
    ownProcess: from === 'node',
  };
}

/**
 * Checks a flow with a model of the rules. Where a process of the node `relays`, endpoints see the node as their client,
 * whatever the contract says.
 */
export async function checkFates(flow: Flow, trace: Parameters<typeof everyFate>[0], relays = false): Promise<void> {
  const found = everyFate(trace).map((fate) => JSON.stringify(fate));
  const expected = expectedFates(flow, relays).map((fate) => JSON.stringify(fate));
  assert.deepEqual(found.sort(), expected.sort());
}

function expectedFates({ expect, protocol }: Flow, relays: boolean): Fate[] {
  if (typeof expect === 'string') return [expect];
  const endpoints = expect.sticky ? expect.endpoints.slice(0, 1) : expect.endpoints;
  const masqueraded = expect.source === 'node' || relays;
  return endpoints.map((pod) => ({ to: world.pods[pod], port: PORTS[protocol], masqueraded }));
}
