import { existsSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, spawnDetached } from '../../host/exec.ts';
import { identify, isAlive, type ProcessIdentity, signalProcess } from '../../host/process.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { RoutingTable } from '../types.ts';
import { arrangeAnew, arrangeInto, type Layout } from './arrange.ts';
import { type Commands, commandsBetween, deletions, isDeleted, isSuccess, VERSION } from './commands.ts';
import {
  type HaproxyFiles,
  type Listen,
  type RenderOptions,
  renderCertificateList,
  renderConfig,
  renderMap,
} from './render.ts';
import { ask } from './socket.ts';

export interface HaproxyOptions {
  /** Configuration, certificates and sockets live here; a path short enough for a socket's. */
  readonly directory: string;
  readonly listen: readonly Listen[];
  /** Account of the workers; this process's own when left out. */
  readonly user?: RenderOptions['user'];
  /** Makes certificate and key, PEM, for clients whose name has none; asked at each load. */
  readonly defaultCertificate: () => string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How a table came into force. */
export type Applied = 'unchanged' | 'changed' | 'loaded';

const ANSWER_MS = 5000;
const START_MS = 10_000;
const POLL_MS = 5;
const MASTER_TRIES = 20;
const MASTER_PAUSE_MS = 50;

/**
 * One HAProxy: started when it is first needed, changed through its admin socket, and loaded anew without losing a
 * connection when that does not do. It outlives this process, and the next one takes it over.
 */
export class Haproxy {
  readonly #options: HaproxyOptions;
  readonly #files: HaproxyFiles;
  #layout: Layout | undefined;
  readonly #leaving = new Set<string>();
  #generation = 0;
  #master: ProcessIdentity | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: HaproxyOptions) {
    this.#options = options;
    this.#files = filesIn(options.directory);
  }

  /** True when a master process answers, of this or an earlier program. */
  async running(): Promise<boolean> {
    if (this.#master) return isAlive(this.#master);
    if (!existsSync(this.#masterSocket)) return false;
    const answer = await this.#askMaster('show proc').catch(() => '');
    const pid = /^(\d+)\s+master\b/m.exec(answer)?.[1];
    this.#master = pid === undefined ? undefined : identify(Number(pid));
    return this.#master !== undefined;
  }

  /** Brings a table into force. Throws when HAProxy refuses it; what ran before goes on. */
  apply(table: RoutingTable): Promise<Applied> {
    return this.#inTurn(() => this.#apply(table));
  }

  async #apply(table: RoutingTable): Promise<Applied> {
    const running = this.#layout && { layout: this.#layout, busy: this.#busySlots() };
    const layout = running && arrangeInto(table, running);
    if (running && layout) {
      const context = { files: this.#files, leaving: this.#leaving };
      const commands = commandsBetween(running.layout, layout, context);
      if (commands && (await this.#change(commands, layout)))
        return commands.texts.length > 0 ? 'changed' : 'unchanged';
    }
    await this.#load(arrangeAnew(table));
    return 'loaded';
  }

  /** Forgets what is thought to be in force: the next table is loaded whole. */
  forget(): void {
    this.#layout = undefined;
  }

  /** Housekeeping: deletes servers that are out of service and idle; answers how many have connections yet. */
  sweep(): Promise<number> {
    return this.#inTurn(() => this.#sweep());
  }

  async #sweep(): Promise<number> {
    shortenLog(this.#options.directory);
    for (const path of [...this.#leaving]) {
      const [command] = deletions([path]);
      if (isDeleted(await this.#ask(this.#files.adminSocket, command!))) this.#leaving.delete(path);
    }
    return this.#leaving.size;
  }

  /** Ends it; established connections are cut. */
  async stop(): Promise<void> {
    this.#layout = undefined;
    if (!(await this.running())) return;
    signalProcess(this.#master!.pid, 'SIGTERM');
    await this.#until('to end', async () => !(await this.running()));
  }

  /** One conversation at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  get #masterSocket(): string {
    return join(this.#options.directory, 'master.sock');
  }

  #busySlots(): Set<string> {
    return new Set([...this.#leaving].map((path) => path.slice(0, path.indexOf('/'))));
  }

  /** False when an answer is not as it should be: nobody knows what is in force then. */
  async #change(commands: Commands, layout: Layout): Promise<boolean> {
    // Until all is done, a failure means that all has to be loaded.
    this.#layout = undefined;
    let version = '';
    for (const text of commands.texts) {
      const answer = await this.#ask(this.#files.adminSocket, text.replace(VERSION, version)).catch(
        (error: Error) => error.message,
      );
      if (!isSuccess(answer)) {
        this.#options.log.warn('HAProxy refused a change', { command: text.split('\n')[0], answer: answer.trim() });
        return false;
      }
      version = /New version created: (\d+)/.exec(answer) ? `@${/created: (\d+)/.exec(answer)![1]}` : version;
    }
    for (const path of commands.returned) this.#leaving.delete(path);
    for (const path of commands.leaving) this.#leaving.add(path);
    this.#layout = layout;
    return true;
  }

  async #load(layout: Layout): Promise<void> {
    const generation = `${this.#options.clock.now()}-${++this.#generation}`;
    this.#layout = undefined;
    this.#write(layout, generation);
    await run(['haproxy', '-c', '-f', this.#files.config]);
    if (await this.running()) await this.#askMaster('reload');
    else this.#start();
    await this.#until('with its new configuration', async () => (await this.#generationInForce()) === generation);
    this.#leaving.clear();
    this.#layout = layout;
  }

  #start(): void {
    const { directory } = this.#options;
    const command = ['haproxy', '-W', '-f', this.#files.config, '-S', `${this.#masterSocket},mode,600`] as const;
    this.#master = identify(spawnDetached({ command, logFile: logOf(directory) }));
  }

  async #generationInForce(): Promise<string> {
    const answer = await this.#ask(this.#files.adminSocket, 'show info').catch(() => '');
    return /^node: (.*)$/m.exec(answer)?.[1] ?? '';
  }

  async #until(what: string, done: () => Promise<boolean>): Promise<void> {
    const { clock, directory } = this.#options;
    const deadline = clock.now() + START_MS;
    while (!(await done())) {
      if (clock.now() > deadline)
        throw new Error(`HAProxy ${what}: not after ${START_MS / 1000} s; see ${logOf(directory)}`);
      await sleep(clock, POLL_MS);
    }
  }

  #write(layout: Layout, generation: string): void {
    const { directory, listen, user, defaultCertificate } = this.#options;
    const files = this.#files;
    for (const path of [directory, files.certificates]) mkdirSync(path, { recursive: true, mode: 0o700 });
    mkdirSync(files.chroot, { recursive: true, mode: 0o755 });
    const write = (path: string, text: string) => writeFileSync(path, text, { mode: 0o600 });
    for (const name of readdirSync(files.certificates))
      if (!layout.certificates.has(name)) rmSync(join(files.certificates, name));
    for (const [name, { pem }] of layout.certificates) write(join(files.certificates, name), pem);
    write(files.defaultCertificate, defaultCertificate());
    write(files.certificateList, renderCertificateList(layout, files));
    write(files.exactMap, renderMap(layout.exact));
    write(files.prefixMap, renderMap(layout.prefix));
    write(files.config, renderConfig(layout, { files, listen, generation, user }));
  }

  /** The master does not listen while it executes itself anew, which it does after each load. */
  async #askMaster(text: string): Promise<string> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#ask(this.#masterSocket, text);
      } catch (error) {
        // Its end cuts the answer short, which says nothing.
        if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') return '';
        if (tries === MASTER_TRIES) throw error;
        await sleep(this.#options.clock, MASTER_PAUSE_MS);
      }
    }
  }

  #ask(socket: string, text: string): Promise<string> {
    return ask({ socket, text, clock: this.#options.clock, timeoutMs: ANSWER_MS });
  }
}

function logOf(directory: string): string {
  return join(directory, 'haproxy.log');
}

/** HAProxy tells of each change. */
const LOG_BYTES_MAX = 2 ** 20;

function shortenLog(directory: string): void {
  const log = logOf(directory);
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX) truncateSync(log);
}

/** Everything of one HAProxy in one directory. */
export function filesIn(directory: string): HaproxyFiles {
  return {
    config: join(directory, 'haproxy.cfg'),
    exactMap: join(directory, 'exact.map'),
    prefixMap: join(directory, 'prefix.map'),
    certificates: join(directory, 'certificates'),
    certificateList: join(directory, 'certificates.list'),
    defaultCertificate: join(directory, 'default.pem'),
    adminSocket: join(directory, 'admin.sock'),
    chroot: join(directory, 'empty'),
  };
}
