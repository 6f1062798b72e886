import { configMaps } from '../api/kinds/configmap.ts';
import type { Informers } from '../client/informer.ts';
import type { Logger } from '../lib/log.ts';
import { type DnsSettings, parseSettings } from './settings.ts';

/** Where the settings are: the ConfigMap that kube-dns reads. */
const SOURCE = { namespace: 'kube-system', name: 'kube-dns' } as const;

export interface ConfigurationOptions {
  informers: Informers;
  /** Settings without a ConfigMap. */
  fallback: DnsSettings;
  log: Logger;
  configure: (settings: DnsSettings) => void;
}

/** Follows the ConfigMap; settings that are wrong are told in the log, and the last good ones stay. Returns what ends it. */
export function followConfiguration(options: ConfigurationOptions): () => void {
  const { informers, fallback, log, configure } = options;
  configure(fallback);
  const filter = { namespace: SOURCE.namespace, fieldSelector: `metadata.name=${SOURCE.name}` };
  return informers.of(configMaps, filter).subscribe(({ type, object }) => {
    if (object.metadata.name !== SOURCE.name || object.metadata.namespace !== SOURCE.namespace) return;
    if (type === 'deleted') return configure(fallback);
    try {
      configure({ ...fallback, ...parseSettings(object.data ?? {}) });
      log.info('DNS settings', { configMap: `${SOURCE.namespace}/${SOURCE.name}` });
    } catch (error) {
      log.warn('DNS settings are not used', { problem: (error as Error).message });
    }
  });
}
