import type {
  IMutatingWebhookConfiguration,
  IValidatingAdmissionPolicy,
  IValidatingAdmissionPolicyBinding,
  IValidatingWebhookConfiguration,
} from 'kubernetes-models/admissionregistration.k8s.io/v1';
import type {
  IControllerRevision,
  IDaemonSet,
  IDeployment,
  IReplicaSet,
  IStatefulSet,
} from 'kubernetes-models/apps/v1';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import type { ICronJob, IJob } from 'kubernetes-models/batch/v1';
import type { ICertificateSigningRequest } from 'kubernetes-models/certificates.k8s.io/v1';
import type { ILease } from 'kubernetes-models/coordination.k8s.io/v1';
import type { IEndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1';
import type {
  IIngress,
  IIngressClass,
  IIPAddress,
  INetworkPolicy,
  IServiceCIDR,
} from 'kubernetes-models/networking.k8s.io/v1';
import type { IRuntimeClass } from 'kubernetes-models/node.k8s.io/v1';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1';
import type {
  IClusterRole,
  IClusterRoleBinding,
  IRole,
  IRoleBinding,
} from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import type { IPriorityClass } from 'kubernetes-models/scheduling.k8s.io/v1';
import type {
  ICSIDriver,
  ICSINode,
  ICSIStorageCapacity,
  IStorageClass,
  IVolumeAttachment,
} from 'kubernetes-models/storage.k8s.io/v1';
import type {
  IConfigMap,
  IEndpoints,
  IEvent,
  ILimitRange,
  INamespace,
  INode,
  IPersistentVolume,
  IPersistentVolumeClaim,
  IPod,
  IPodTemplate,
  IReplicationController,
  IResourceQuota,
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

export type MutatingWebhookConfiguration = Stored<IMutatingWebhookConfiguration>;
export type ValidatingAdmissionPolicy = Stored<IValidatingAdmissionPolicy>;
export type ValidatingAdmissionPolicyBinding = Stored<IValidatingAdmissionPolicyBinding>;
export type ValidatingWebhookConfiguration = Stored<IValidatingWebhookConfiguration>;
export type ControllerRevision = Stored<IControllerRevision>;
export type DaemonSet = Stored<IDaemonSet>;
export type Deployment = Stored<IDeployment>;
export type ReplicaSet = Stored<IReplicaSet>;
export type StatefulSet = Stored<IStatefulSet>;
export type HorizontalPodAutoscaler = Stored<IHorizontalPodAutoscaler>;
export type CronJob = Stored<ICronJob>;
export type Job = Stored<IJob>;
export type CertificateSigningRequest = Stored<ICertificateSigningRequest>;
export type Lease = Stored<ILease>;
export type EndpointSlice = Stored<IEndpointSlice>;
export type Ingress = Stored<IIngress>;
export type IngressClass = Stored<IIngressClass>;
export type IPAddress = Stored<IIPAddress>;
export type NetworkPolicy = Stored<INetworkPolicy>;
export type ServiceCIDR = Stored<IServiceCIDR>;
export type RuntimeClass = Stored<IRuntimeClass>;
export type PodDisruptionBudget = Stored<IPodDisruptionBudget>;
export type ClusterRole = Stored<IClusterRole>;
export type ClusterRoleBinding = Stored<IClusterRoleBinding>;
export type Role = Stored<IRole>;
export type RoleBinding = Stored<IRoleBinding>;
export type PriorityClass = Stored<IPriorityClass>;
export type CSIDriver = Stored<ICSIDriver>;
export type CSINode = Stored<ICSINode>;
export type CSIStorageCapacity = Stored<ICSIStorageCapacity>;
export type StorageClass = Stored<IStorageClass>;
export type VolumeAttachment = Stored<IVolumeAttachment>;
export type ConfigMap = Stored<IConfigMap>;
export type Endpoints = Stored<IEndpoints>;
export type Event = Stored<IEvent>;
export type LimitRange = Stored<ILimitRange>;
export type Namespace = Stored<INamespace>;
export type Node = Stored<INode>;
export type PersistentVolume = Stored<IPersistentVolume>;
export type PersistentVolumeClaim = Stored<IPersistentVolumeClaim>;
export type Pod = Stored<IPod>;
export type PodTemplate = Stored<IPodTemplate>;
export type ReplicationController = Stored<IReplicationController>;
export type ResourceQuota = Stored<IResourceQuota>;
export type Secret = Stored<ISecret>;
export type Service = Stored<IService>;
export type ServiceAccount = Stored<IServiceAccount>;

/** `kind: XList`, as list requests answer. */
export interface KubeList<T> {
  apiVersion: string;
  kind: string;
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: T[];
}
