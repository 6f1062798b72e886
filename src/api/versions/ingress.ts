import type { IIngressBackend as V1Backend, IHTTPIngressPath as V1Path } from 'kubernetes-models/networking.k8s.io/v1';
import type {
  IIngressBackend as BetaBackend,
  IIngress as BetaIngress,
  IHTTPIngressPath as BetaPath,
} from 'kubernetes-models/networking.k8s.io/v1beta1';
import { ingresses } from '../kinds/ingress.ts';
import { type Resource, row } from '../resource.ts';
import type { Ingress, KubeObject, Stored } from '../types.ts';
import { defined, versionOf } from './version.ts';

/** `extensions/v1beta1` and `networking.k8s.io/v1beta1` Ingress: backends name their Service in a flat form. */
export const betaIngresses: readonly Resource[] = [
  betaRow('extensions', 'v1.14+'),
  betaRow('networking.k8s.io', 'v1.19+'),
];

function betaRow(group: string, since: string): Resource {
  const apiVersion = `${group}/v1beta1`;
  return versionOf(row(ingresses), {
    group,
    version: 'v1beta1',
    deprecation: `${apiVersion} Ingress is deprecated in ${since}, unavailable in v1.22+; use networking.k8s.io/v1 Ingress`,
    toStored: (object) => toV1(object as unknown as Stored<BetaIngress>) as unknown as KubeObject,
    fromStored: (object) => ({ ...fromV1(object as unknown as Ingress), apiVersion }) as unknown as KubeObject,
  });
}

function toV1({ spec, ...ingress }: Stored<BetaIngress>): object {
  if (!spec) return { ...ingress, apiVersion: 'networking.k8s.io/v1' };
  const { backend, rules, ...rest } = spec;
  const paths = (path: BetaPath): object => ({
    ...path,
    pathType: path.pathType ?? 'ImplementationSpecific',
    backend: backendToV1(path.backend),
  });
  const defaultBackend = backend && backendToV1(backend);
  return {
    ...ingress,
    apiVersion: 'networking.k8s.io/v1',
    spec: defined({ ...rest, defaultBackend, rules: rules?.map((rule) => withPaths(rule, paths)) }),
  };
}

function fromV1({ spec, ...ingress }: Ingress): object {
  if (!spec) return ingress;
  const { defaultBackend, rules, ...rest } = spec;
  const paths = (path: V1Path): object => ({ ...path, backend: backendFromV1(path.backend) });
  const backend = defaultBackend && backendFromV1(defaultBackend);
  return { ...ingress, spec: defined({ ...rest, backend, rules: rules?.map((rule) => withPaths(rule, paths)) }) };
}

interface Rule<P> {
  readonly http?: { readonly paths: readonly P[] };
}

function withPaths<P>(rule: Rule<P>, change: (path: P) => object): object {
  return rule.http?.paths ? { ...rule, http: { ...rule.http, paths: rule.http.paths.map(change) } } : rule;
}

function backendToV1({ serviceName, servicePort, resource }: BetaBackend): V1Backend {
  if (!serviceName && servicePort === undefined) return defined({ resource });
  const port = typeof servicePort === 'string' ? { name: servicePort } : { number: servicePort ?? 0 };
  return defined({ service: { name: serviceName ?? '', port }, resource });
}

function backendFromV1({ service, resource }: V1Backend): BetaBackend {
  const servicePort = service?.port?.name ?? service?.port?.number;
  return defined({ serviceName: service?.name, servicePort, resource });
}
