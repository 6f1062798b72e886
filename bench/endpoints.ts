import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { openNft } from '../src/host/nft.ts';
import { Planner } from '../src/proxy/nftables/nftables.ts';
import type { ServicePort } from '../src/servicemap/service-port.ts';
import { quantile, residentBytes, timeMs } from './lib.ts';
import { type Figure, printReport } from './report.ts';

/** Rules of real Services in the real kernel: everything at once, then one endpoint after the other. */
const SIZES = [100, 1_000, 10_000, 50_000];
const CHANGES = 500;
const NETNS = `sampan-bench-${process.pid}`;

function servicePort(index: number, endpoints: ServicePort['internal']): ServicePort {
  return {
    key: `default/web-${index}:http`,
    family: 4,
    protocol: 'TCP',
    port: 80,
    nodePort: 0,
    clusterIps: [`10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`],
    externalIps: [],
    loadBalancerIps: [],
    sourceRanges: [],
    affinitySeconds: 0,
    internal: endpoints,
    external: endpoints,
    cluster: endpoints,
    keepSource: false,
  };
}

function endpointsOf(index: number, generation = 0): ServicePort['internal'] {
  const last = (index % 250) + 1;
  return [
    { ip: `10.244.${1 + (generation % 100)}.${last}`, port: 8080 },
    { ip: `10.245.1.${last}`, port: 8080 },
  ];
}

async function measure(count: number): Promise<Figure[]> {
  const nft = openNft();
  const planner = new Planner({ clusterCidr: '10.244.0.0/15', serviceCidr: '10.96.0.0/12', nodeIps: ['10.89.0.11'] });
  const all = new Map(Array.from({ length: count }, (_, i) => [`default/web-${i}`, [servicePort(i, endpointsOf(i))]]));
  const syncMs = await timeMs(async () => {
    const plan = planner.reset(all);
    await nft.run(plan.commands);
    plan.commit();
  });
  const changesMs: number[] = [];
  for (let change = 1; change <= CHANGES; change++) {
    const index = (change * 7919) % count;
    changesMs.push(
      await timeMs(async () => {
        const plan = planner.update(
          new Map([[`default/web-${index}`, [servicePort(index, endpointsOf(index, change))]]]),
        );
        await nft.run(plan.commands);
        plan.commit();
      }),
    );
  }
  nft.close();
  const target = count === 10_000;
  const name = `${count.toLocaleString('en-US')} Services`;
  return [
    { name: `${name}: full sync`, value: syncMs, unit: 'ms', ...(target ? { target: { most: 1000 } } : {}) },
    { name: `${name}: one endpoint changed, p50`, value: quantile(changesMs, 0.5), unit: 'ms', target: { most: 1 } },
    { name: `${name}: one endpoint changed, p99`, value: quantile(changesMs, 0.99), unit: 'ms', target: { most: 5 } },
    { name: `${name}: resident memory of the process`, value: residentBytes() / 2 ** 20, unit: 'MiB' },
  ];
}

/** Runs this file again inside a namespace of its own, which goes when it ends. */
function runInNamespace(): void {
  execFileSync('ip', ['netns', 'add', NETNS]);
  try {
    const command = [`--net=/run/netns/${NETNS}`, '--', process.execPath, fileURLToPath(import.meta.url), 'inside'];
    execFileSync('nsenter', command, { stdio: 'inherit' });
  } finally {
    execFileSync('ip', ['netns', 'delete', NETNS]);
  }
}

if (process.argv[2] === 'inside') {
  const figures: Figure[] = [];
  for (const size of SIZES) figures.push(...(await measure(size)));
  const notes = ['a change replaces one of two endpoints; planning, libnftables and the kernel are all in the time'];
  printReport({ title: 'Service rules in the kernel (nftables)', figures, notes });
} else {
  runInNamespace();
}
