import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Pod } from '../api/types.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Container } from './container-config.ts';
import { grpcProbe } from './cri/health.ts';
import type { Runtime } from './cri/runtime.ts';

export type ProbeKind = 'startup' | 'readiness' | 'liveness';
type Probe = NonNullable<Container['readinessProbe']>;
type HttpGet = NonNullable<Probe['httpGet']>;

/** A container that is probed. */
export interface Probed {
  readonly pod: Pod;
  readonly container: Container;
  readonly id: string;
  readonly podIp: string;
}

export interface ProberOptions {
  runtime: Runtime;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
  /** A result changed: the pod's status must be written anew. */
  onChange: (pod: Pod) => void;
  /** One probe failed. */
  onUnhealthy: (probed: Probed, kind: ProbeKind, message: string) => void;
  /** Startup or liveness failed for good: the container must be restarted. */
  onFatal: (probed: Probed, kind: ProbeKind) => void;
}

interface Watched {
  readonly abort: AbortController;
  started: boolean;
  ready: boolean;
}

/** Runs the probes of running containers. */
export class Prober {
  readonly #options: ProberOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  isStarted(container: Container, id: string): boolean {
    return container.startupProbe ? (this.#watched.get(id)?.started ?? false) : true;
  }

  isReady(container: Container, id: string): boolean {
    return container.readinessProbe ? (this.#watched.get(id)?.ready ?? false) : true;
  }

  /** Starts probing a container, once. */
  watch(probed: Probed): void {
    const { startupProbe, readinessProbe, livenessProbe } = probed.container;
    if (this.#watched.has(probed.id) || !(startupProbe || readinessProbe || livenessProbe)) return;
    // An agent that starts again goes on from what was known: nothing becomes unready by it.
    const known = probed.pod.status?.containerStatuses?.find(
      ({ containerID }) => containerID === `containerd://${probed.id}`,
    );
    const started = !startupProbe || known?.started === true;
    const watched = { abort: new AbortController(), started, ready: known?.ready === true };
    this.#watched.set(probed.id, watched);
    void this.#run(probed, watched);
  }

  /** Ends the probes of containers that `keep` says no to. */
  forget(keep: (id: string) => boolean): void {
    for (const [id, watched] of this.#watched) {
      if (keep(id)) continue;
      watched.abort.abort();
      this.#watched.delete(id);
    }
  }

  async #run(probed: Probed, watched: Watched): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = probed.container;
    const signal = AbortSignal.any([watched.abort.signal, this.#options.signal]);
    const set = (part: 'started' | 'ready') => (healthy: boolean) => {
      if (watched[part] === healthy) return;
      watched[part] = healthy;
      this.#options.onChange(probed.pod);
    };
    try {
      if (startupProbe && !watched.started) {
        await this.#loop({
          probed,
          probe: startupProbe,
          kind: 'startup',
          set: set('started'),
          signal,
          untilHealthy: true,
        });
      }
      await Promise.all([
        readinessProbe && this.#loop({ probed, probe: readinessProbe, kind: 'readiness', set: set('ready'), signal }),
        livenessProbe && this.#loop({ probed, probe: livenessProbe, kind: 'liveness', set: () => {}, signal }),
      ]);
    } catch {
      // Ended by its signal: the container is gone.
    }
  }

  async #loop(at: ProbeLoop): Promise<void> {
    const { probed, probe, kind, set, signal } = at;
    const { clock } = this.#options;
    await sleep(clock, (probe.initialDelaySeconds ?? 0) * 1000, signal);
    for (let good = 0, bad = 0; ; ) {
      const failure = await this.#probe(probed, probe);
      signal.throwIfAborted();
      [good, bad] = failure === undefined ? [good + 1, 0] : [0, bad + 1];
      if (good >= (probe.successThreshold ?? 1)) set(true);
      if (good > 0 && at.untilHealthy) return;
      if (failure !== undefined) this.#options.onUnhealthy(probed, kind, failure);
      if (bad >= (probe.failureThreshold ?? 3)) {
        set(false);
        if (kind !== 'readiness') {
          this.#options.onFatal(probed, kind);
          return;
        }
      }
      // A container that is not ready yet is asked again sooner than one whose state is known.
      const waiting = kind === 'readiness' && good === 0 && bad <= QUICK_TRIES;
      await sleep(clock, waiting ? Math.min(QUICK_MS * 2 ** bad, periodMs(probe)) : periodMs(probe), signal);
    }
  }

  async #probe(probed: Probed, probe: Probe): Promise<string | undefined> {
    const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
    try {
      if (probe.exec) return await this.#exec(probed, probe.exec.command ?? [], timeoutMs / 1000);
      if (probe.httpGet) return await httpProbe(probed, probe.httpGet, timeoutMs);
      if (probe.tcpSocket) {
        return await tcpProbe({
          host: probe.tcpSocket.host || probed.podIp,
          port: portOf(probed, probe.tcpSocket.port),
          timeoutMs,
        });
      }
      if (probe.grpc) {
        const { port, service } = probe.grpc;
        const deadlineMs = this.#options.clock.now() + timeoutMs;
        return await grpcProbe({ address: `${probed.podIp}:${port}`, service: service ?? '', deadlineMs });
      }
      return 'this kind of probe is not supported';
    } catch (error) {
      return (error as Error).message;
    }
  }

  async #exec({ id }: Probed, command: readonly string[], timeoutSeconds: number): Promise<string | undefined> {
    const result = await this.#options.runtime.execSync({ id, command, timeoutSeconds });
    return result.exit_code === 0 ? undefined : Buffer.concat([result.stdout, result.stderr]).toString().trim();
  }
}

interface ProbeLoop {
  readonly probed: Probed;
  readonly probe: Probe;
  readonly kind: ProbeKind;
  readonly set: (healthy: boolean) => void;
  readonly signal: AbortSignal;
  readonly untilHealthy?: boolean;
}

const QUICK_TRIES = 6;
const QUICK_MS = 50;

function periodMs(probe: Probe): number {
  return (probe.periodSeconds ?? 10) * 1000;
}

/** A port's number, by number or by the container's name for it. */
export function portOf({ container }: Pick<Probed, 'container'>, port: number | string): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find((candidate) => candidate.name === port);
  return named?.containerPort ?? Number(port);
}

/** Undefined for a status from 200 to 399, else what was wrong. */
export function httpProbe(
  probed: Pick<Probed, 'container' | 'podIp'>,
  get: HttpGet,
  timeoutMs: number,
): Promise<string | undefined> {
  const headers = Object.fromEntries((get.httpHeaders ?? []).map(({ name, value }) => [name, value]));
  const options = {
    host: get.host || probed.podIp,
    port: portOf(probed, get.port),
    path: get.path ?? '/',
    headers: { 'user-agent': 'kube-probe/1.35', accept: '*/*', ...headers },
    timeout: timeoutMs,
    agent: false as const,
    rejectUnauthorized: false,
  };
  const start = get.scheme === 'HTTPS' ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const request = start(options, (response) => {
      const code = response.statusCode ?? 0;
      response.resume();
      resolve(code >= 200 && code < 400 ? undefined : `HTTP probe failed with statuscode: ${code}`);
    });
    request.on('timeout', () => request.destroy(new Error('context deadline exceeded')));
    request.on('error', (error) =>
      resolve(`Get "http://${options.host}:${options.port}${options.path}": ${error.message}`),
    );
    request.end();
  });
}

function tcpProbe({
  host,
  port,
  timeoutMs,
}: {
  host: string;
  port: number;
  timeoutMs: number;
}): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const done = (failure?: string) => {
      socket.destroy();
      resolve(failure);
    };
    socket.on('connect', () => done());
    socket.on('timeout', () => done(`dial tcp ${host}:${port}: i/o timeout`));
    socket.on('error', (error) => done(error.message));
  });
}
