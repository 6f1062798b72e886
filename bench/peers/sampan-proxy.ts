import { readFileSync } from 'node:fs';
import { httpsTransport, parseKubeconfig } from '../../src/client/https.ts';
import { createInformers } from '../../src/client/informers.ts';
import { createClient } from '../../src/client/kube-client.ts';
import { openNft } from '../../src/host/nft.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { nftablesBackend } from '../../src/proxy/nftables/backend.ts';
import { startProxy } from '../../src/proxy/start.ts';

/** Sampan's proxy alone, as a process: `sampan-proxy.ts KUBECONFIG NODE CLUSTER-CIDR SERVICE-CIDR`. */
const [kubeconfig = '', nodeName = '', clusterCidr = '', serviceCidr = ''] = process.argv.slice(2);
const read = (path: string) => readFileSync(path, 'utf8');
const client = createClient(httpsTransport(parseKubeconfig(read(kubeconfig), read)));
const stop = new AbortController();
const shared = { client, clock: systemClock, random: Math.random, log: silentLogger, signal: stop.signal };
const backend = nftablesBackend(openNft(), { clusterCidr, serviceCidr, nodeIps: [] });
await startProxy({ ...shared, informers: createInformers(shared), backend, nodeName });
