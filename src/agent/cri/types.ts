/** The parts of CRI v1 messages that are used, under their wire names. 64-bit integers are decimal strings on the way in. */
export interface PodSandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
  attempt?: number;
}

export interface NamespaceOption {
  network?: 'POD' | 'NODE';
  pid?: 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';
  ipc?: 'POD' | 'NODE';
  /** Container whose processes are shared. */
  target_id?: string;
}

export interface PortMapping {
  protocol: 'TCP' | 'UDP' | 'SCTP';
  container_port: number;
  host_port: number;
  host_ip: string;
}

export interface SecurityProfile {
  profile_type: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  localhost_ref?: string;
}

export interface PodSandboxConfig {
  metadata: PodSandboxMetadata;
  hostname?: string;
  log_directory: string;
  dns_config?: { servers: string[]; searches: string[]; options: string[] };
  port_mappings?: PortMapping[];
  labels: Record<string, string>;
  annotations?: Record<string, string>;
  linux: {
    cgroup_parent: string;
    security_context: { namespace_options: NamespaceOption; privileged?: boolean; seccomp?: SecurityProfile };
    sysctls?: Record<string, string>;
  };
}

export interface PodSandbox {
  id: string;
  metadata: Required<PodSandboxMetadata>;
  state: 'SANDBOX_READY' | 'SANDBOX_NOTREADY';
  created_at: string;
  labels: Record<string, string>;
}

export interface PodSandboxStatus {
  id: string;
  state: PodSandbox['state'];
  network?: { ip: string; additional_ips: { ip: string }[] };
}

export interface Mount {
  container_path: string;
  host_path: string;
  readonly?: boolean;
  propagation?: 'PROPAGATION_PRIVATE' | 'PROPAGATION_HOST_TO_CONTAINER' | 'PROPAGATION_BIDIRECTIONAL';
}

export interface ContainerConfig {
  metadata: { name: string; attempt: number };
  image: { image: string };
  command: string[];
  args: string[];
  working_dir: string;
  /** Values are octets: they need not be valid UTF-8. */
  envs: { key: string; value: Uint8Array }[];
  mounts: Mount[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  log_path: string;
  stdin: boolean;
  stdin_once: boolean;
  tty: boolean;
  linux: { resources: LinuxResources; security_context: LinuxSecurityContext };
}

export interface LinuxResources {
  cpu_shares?: number;
  cpu_quota?: number;
  cpu_period?: number;
  memory_limit_in_bytes?: number;
  oom_score_adj?: number;
}

export interface LinuxSecurityContext {
  privileged?: boolean;
  namespace_options: NamespaceOption;
  run_as_user?: { value: number };
  run_as_group?: { value: number };
  supplemental_groups?: number[];
  readonly_rootfs?: boolean;
  no_new_privs?: boolean;
  seccomp?: SecurityProfile;
  capabilities?: { add_capabilities: string[]; drop_capabilities: string[] };
}

export interface CreateContainerRequest {
  pod_sandbox_id: string;
  config: ContainerConfig;
  sandbox_config: PodSandboxConfig;
}

export interface Container {
  id: string;
  pod_sandbox_id: string;
  metadata: { name: string; attempt: number };
  state: ContainerState;
  labels: Record<string, string>;
}

export type ContainerState = 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';

export interface ContainerStatus {
  id: string;
  metadata: { name: string; attempt: number };
  state: ContainerState;
  /** Nanoseconds since the epoch; 0 when it has not happened. */
  created_at: string;
  started_at: string;
  finished_at: string;
  exit_code: number;
  image: { image: string };
  image_ref: string;
  reason: string;
  message: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  log_path: string;
}

export interface ExecSyncResponse {
  stdout: Uint8Array;
  stderr: Uint8Array;
  exit_code: number;
}

export interface StreamRequest {
  container_id: string;
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

/** How to prove oneself to a registry. */
export interface AuthConfig {
  username: string;
  password: string;
  identity_token: string;
  registry_token: string;
}

export interface Image {
  id: string;
  repo_tags: string[];
  repo_digests: string[];
  /** The image's user, as number or as name. */
  uid?: { value: string } | null;
  username?: string;
}

export interface RuntimeStatus {
  conditions: { type: string; status: boolean; reason: string; message: string }[];
}
