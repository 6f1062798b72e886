import { isNotFound } from '../api/errors.ts';
import { configMaps } from '../api/kinds/configmap.ts';
import { persistentVolumes } from '../api/kinds/persistentvolume.ts';
import { persistentVolumeClaims } from '../api/kinds/persistentvolumeclaim.ts';
import { secrets } from '../api/kinds/secret.ts';
import { serviceAccounts } from '../api/kinds/serviceaccount.ts';
import type { Pod } from '../api/types.ts';
import { allContainers, type Container, fieldValue, resourceValue } from './container-config.ts';
import type { AuthConfig } from './cri/types.ts';
import type { EnvSources } from './environment.ts';
import { prepareHostPath } from './host-volumes.ts';
import type { AgentOptions } from './options.ts';
import { credentialsFor } from './pull-secrets.ts';
import type { VolumeSources } from './volumes.ts';

type Bytes = Record<string, Buffer>;

interface CachedToken {
  readonly token: string;
  /** Ms since the epoch when a new one is due. */
  readonly renewAt: number;
}

/** Where the pods of a node get what their specs only name. */
export class PodSources {
  readonly #options: AgentOptions;
  readonly #tokens = new Map<string, CachedToken>();

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  volumes(pod: Pod): VolumeSources {
    return {
      bytes: (kind, name) => this.#bytes(pod, kind, name),
      field: (path) => fieldValue(pod, path, { nodeIp: this.#options.nodeIp }),
      resource: (ref) => resourceValue(pod, ref),
      token: (request) => this.#token(pod, request),
      claim: (name) => this.#claim(pod, name),
    };
  }

  /** Reads everything that a container's environment names, then answers from that. */
  async environment(pod: Pod, container: Container): Promise<EnvSources> {
    const data = new Map<string, Record<string, string> | undefined>();
    for (const { kind, name } of environmentRefs(container)) {
      const bytes = await this.#bytes(pod, kind, name);
      const texts = bytes && Object.fromEntries(Object.entries(bytes).map(([key, value]) => [key, value.toString()]));
      data.set(`${kind}/${name}`, texts);
    }
    return {
      namespace: pod.metadata.namespace ?? '',
      data: (kind, name) => data.get(`${kind}/${name}`),
      field: (path) => fieldValue(pod, path, { nodeIp: this.#options.nodeIp }),
      resource: (ref) => resourceValue(pod, { containerName: container.name, ...ref }),
    };
  }

  /** Credentials for an image in the Secrets that the pod names. */
  async credentials(pod: Pod, image: string): Promise<AuthConfig[]> {
    const names = (pod.spec?.imagePullSecrets ?? []).map(({ name }) => name).filter((name) => name !== undefined);
    const found = await Promise.all(names.map((name) => this.#bytes(pod, 'secret', name)));
    return credentialsFor(
      image,
      found.filter((bytes) => bytes !== undefined),
    );
  }

  /** Ms since the epoch when the first of a pod's tokens must be renewed; undefined without tokens. */
  renewalOf(pod: Pod): number | undefined {
    const own = [...this.#tokens].filter(([key]) => key.startsWith(`${pod.metadata.uid}/`));
    return own.length > 0 ? Math.min(...own.map(([, { renewAt }]) => renewAt)) : undefined;
  }

  /** A pod is gone from this node. */
  forget(uid: string): void {
    for (const key of this.#tokens.keys()) if (key.startsWith(`${uid}/`)) this.#tokens.delete(key);
  }

  async #bytes(pod: Pod, kind: 'configMap' | 'secret', name: string): Promise<Bytes | undefined> {
    const key = { name, namespace: pod.metadata.namespace };
    try {
      if (kind === 'secret') return decode((await this.#options.client.get(secrets, key)).data);
      const map = await this.#options.client.get(configMaps, key);
      const texts = Object.entries(map.data ?? {}).map(([name, text]): [string, Buffer] => [name, Buffer.from(text)]);
      return { ...Object.fromEntries(texts), ...decode(map.binaryData) };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #claim(pod: Pod, name: string): Promise<string> {
    const { client } = this.#options;
    const claim = await client.get(persistentVolumeClaims, { name, namespace: pod.metadata.namespace });
    const volume = claim.spec?.volumeName;
    if (!volume || claim.status?.phase !== 'Bound')
      throw new Error(`PersistentVolumeClaim is not bound: ${JSON.stringify(name)}`);
    const { spec } = await client.get(persistentVolumes, { name: volume });
    if (spec?.hostPath) return prepareHostPath(spec.hostPath);
    if (spec?.local) return prepareHostPath({ path: spec.local.path, type: 'Directory' });
    throw new Error(
      `PersistentVolume ${JSON.stringify(volume)} is of a kind that is not supported: expected hostPath or local`,
    );
  }

  async #token(pod: Pod, request: { audience?: string; expirationSeconds?: number }): Promise<string> {
    const { clock, client } = this.#options;
    const key = `${pod.metadata.uid}/${request.audience ?? ''}/${request.expirationSeconds}`;
    const cached = this.#tokens.get(key);
    if (cached && cached.renewAt > clock.now()) return cached.token;
    const account = { name: pod.spec!.serviceAccountName ?? 'default', namespace: pod.metadata.namespace };
    const seconds = request.expirationSeconds ?? 3600;
    const answer = (await client.createSubresource(serviceAccounts, account, 'token', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: request.audience ? [request.audience] : [],
        expirationSeconds: seconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid: pod.metadata.uid },
      },
    })) as { status: { token: string } };
    // Kubelets renew at 80 % of a token's life.
    this.#tokens.set(key, { token: answer.status.token, renewAt: clock.now() + seconds * 800 });
    return answer.status.token;
  }
}

function decode(data: Record<string, string> | undefined): Bytes {
  return Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]));
}

interface Ref {
  readonly kind: 'configMap' | 'secret';
  readonly name: string;
}

function environmentRefs(container: Container): Ref[] {
  const all = [
    ...(container.envFrom ?? []).flatMap((source) => [
      { kind: 'configMap' as const, ref: source.configMapRef },
      { kind: 'secret' as const, ref: source.secretRef },
    ]),
    ...(container.env ?? []).flatMap(({ valueFrom }) => [
      { kind: 'configMap' as const, ref: valueFrom?.configMapKeyRef },
      { kind: 'secret' as const, ref: valueFrom?.secretKeyRef },
    ]),
  ];
  const named = all.filter(({ ref }) => ref?.name).map(({ kind, ref }) => ({ kind, name: ref!.name! }));
  return [...new Map(named.map((ref) => [`${ref.kind}/${ref.name}`, ref])).values()];
}

/** The ConfigMaps and Secrets that a pod uses, as `configmaps/name` and `secrets/name`. */
export function sourceRefs(pod: Pod): string[] {
  const environment = allContainers(pod)
    .flatMap(environmentRefs)
    .map(({ kind, name }) => `${PLURALS[kind]}/${name}`);
  return [...environment, ...volumeRefs(pod)];
}

const PLURALS = { configMap: 'configmaps', secret: 'secrets' } as const;

function volumeRefs(pod: Pod): string[] {
  return (pod.spec?.volumes ?? []).flatMap((volume) => [
    ...(volume.configMap?.name ? [`configmaps/${volume.configMap.name}`] : []),
    ...(volume.secret?.secretName ? [`secrets/${volume.secret.secretName}`] : []),
    ...(volume.projected?.sources ?? []).flatMap((source) => [
      ...(source.configMap?.name ? [`configmaps/${source.configMap.name}`] : []),
      ...(source.secret?.name ? [`secrets/${source.secret.name}`] : []),
    ]),
  ]);
}
