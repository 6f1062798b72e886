import type { IDeployment, IReplicaSet } from 'kubernetes-models/apps/v1';
import type { ILease } from 'kubernetes-models/coordination.k8s.io/v1';
import type { IEndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1';
import type {
  IConfigMap,
  IEndpoints,
  IEvent,
  INamespace,
  INode,
  IPod,
  ISecret,
  IService,
  IServiceAccount,
} from 'kubernetes-models/v1';

/** `metadata` of an object that the API server returned: a name is always there. */
export interface ObjectMeta {
  name: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: unknown[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** What every stored object has. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

export type Stored<T> = Omit<T, 'apiVersion' | 'kind' | 'metadata'> & KubeObject;

/** An object on its way to `create`: apiVersion and kind come from its row, the name may be generated. */
export type New<T extends KubeObject> = Omit<T, 'apiVersion' | 'kind' | 'metadata'> & { metadata: Partial<ObjectMeta> };

export type Namespace = Stored<INamespace>;
export type Node = Stored<INode>;
export type Pod = Stored<IPod>;
export type Service = Stored<IService>;
export type Endpoints = Stored<IEndpoints>;
export type EndpointSlice = Stored<IEndpointSlice>;
export type ConfigMap = Stored<IConfigMap>;
export type Secret = Stored<ISecret>;
export type ServiceAccount = Stored<IServiceAccount>;
export type Event = Stored<IEvent>;
export type Lease = Stored<ILease>;
export type Deployment = Stored<IDeployment>;
export type ReplicaSet = Stored<IReplicaSet>;

/** `kind: XList`, as list requests answer. */
export interface KubeList<T> {
  apiVersion: string;
  kind: string;
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: T[];
}
