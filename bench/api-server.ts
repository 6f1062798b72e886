import { openLmdbStore } from '../src/store/lmdb.ts';
import { createMemoryStore } from '../src/store/memory.ts';
import type { Store } from '../src/store/store.ts';
import { type HttpsServer, startHttpsServer } from '../src/testing/https-server.ts';
import { answerMessages, liveBytes, residentBytes } from './lib.ts';

/** The API server behind TLS over the durable store, alone in its process. */
let running: { store: Store; https: HttpsServer } | undefined;
let cpu = process.cpuUsage();

/** `directory` undefined: a store in memory. */
async function start({ directory }: { directory?: string }) {
  const begun = performance.now();
  const store = directory ? await openLmdbStore({ directory }) : createMemoryStore();
  const opened = performance.now();
  const https = await startHttpsServer({ store });
  running = { store, https };
  const { port, caPem, admin } = https;
  return { port, caPem, admin, openMs: opened - begun, startMs: performance.now() - begun };
}

/** Stores `count` pods without the API in between, as they would look. */
async function fill({ count }: { count: number }): Promise<number> {
  const { store } = running!;
  const BATCH = 2000;
  for (let at = 0; at < count; at += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => putPod(store, at + i));
    await Promise.all(batch);
  }
  return store.count('/core/pods/');
}

function putPod(store: Store, index: number) {
  const name = `filler-${index}`;
  const pod = filler(name, index);
  return store.put(
    `/core/pods/default/${name}`,
    (revision) => JSON.stringify({ ...pod, metadata: { ...pod.metadata, resourceVersion: String(revision) } }),
    0,
  );
}

/** About 1.5 KiB, like a small pod that runs. */
function filler(name: string, index: number) {
  const labels = { app: `app-${index % 100}`, 'pod-template-hash': 'abcdef' };
  const fields = { 'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } }, 'f:spec': { 'f:containers': {} } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      uid: crypto.randomUUID(),
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels,
      managedFields: [
        { manager: 'bench', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: fields },
      ],
    },
    spec: {
      containers: [{ name: 'web', image: 'nginx:1', resources: {}, ports: [{ containerPort: 80, protocol: 'TCP' }] }],
      nodeName: `node-${index % 10}`,
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
    },
    status: {
      phase: 'Running',
      podIP: `10.244.${(index >> 8) & 255}.${index & 255}`,
      conditions: ['Ready', 'Initialized', 'ContainersReady', 'PodScheduled'].map((type) => ({ type, status: 'True' })),
    },
  };
}

/** CPU seconds of this process since the last call. */
function cpuSeconds(): number {
  const used = process.cpuUsage(cpu);
  cpu = process.cpuUsage();
  return (used.user + used.system) / 1e6;
}

async function stop(): Promise<void> {
  running?.https.stop();
  await running?.store.close();
  running = undefined;
}

type Message = { do: 'start'; directory?: string } | { do: 'fill'; count: number } | { do: 'memory' | 'cpu' | 'stop' };

answerMessages((message: Message) => {
  switch (message.do) {
    case 'start':
      return start(message);
    case 'fill':
      return fill(message);
    case 'memory':
      return { live: liveBytes(), resident: residentBytes() };
    case 'cpu':
      return cpuSeconds();
    case 'stop':
      return stop();
  }
});
