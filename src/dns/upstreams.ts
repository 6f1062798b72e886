import { cached } from './cache.ts';
import { createAsk, type ForwarderOptions, forwarderOver } from './forward.ts';
import { type NameKey, parentKey } from './name.ts';
import type { Forwarder } from './responder.ts';
import { type DnsSettings, NO_SETTINGS } from './settings.ts';

type UpstreamsOptions = Omit<ForwarderOptions, 'upstreams'>;

/** Who is asked for which name; what they answered is remembered until they change. */
export class Upstreams {
  readonly #options: UpstreamsOptions;
  #settings = NO_SETTINGS;
  /** Zone → forwarder; the root's is for all other names. */
  #forwarders = new Map<NameKey, Forwarder>();

  constructor(options: UpstreamsOptions) {
    this.#options = options;
  }

  get settings(): DnsSettings {
    return this.#settings;
  }

  configure(settings: DnsSettings): void {
    this.#settings = settings;
    const zones = new Map([
      ...settings.stubDomains,
      ...(settings.upstreams.length > 0 ? [['', settings.upstreams] as const] : []),
    ]);
    this.#forwarders = new Map([...zones].map(([zone, upstreams]) => [zone, this.#forwarder(upstreams)]));
  }

  /** That of the longest zone that the name is in; undefined when nobody is to be asked. */
  forwarderFor(name: NameKey): Forwarder | undefined {
    if (this.#forwarders.size === 0) return undefined;
    for (let zone: NameKey | undefined = name; zone !== undefined; zone = parentKey(zone)) {
      const forwarder = this.#forwarders.get(zone);
      if (forwarder) return forwarder;
    }
    return undefined;
  }

  #forwarder(upstreams: readonly string[]): Forwarder {
    const ask = createAsk({ ...this.#options, upstreams });
    return forwarderOver(cached(ask, this.#options), this.#options.random);
  }
}
