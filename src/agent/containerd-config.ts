export interface ContainerdOptions {
  /** Content, snapshots and metadata: survives restarts. */
  root: string;
  /** Sockets and shims. */
  state: string;
  socket: string;
  cniConfDir: string;
  cniBinDir: string;
  sandboxImage: string;
}

/** `config.toml` of one node's containerd (1.6, configuration version 2). */
export function renderContainerdConfig(options: ContainerdOptions): string {
  const text = (value: string) => JSON.stringify(value);
  return `version = 2
root = ${text(options.root)}
state = ${text(options.state)}
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.native", "io.containerd.internal.v1.opt",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
]

[grpc]
  address = ${text(options.socket)}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${text(options.sandboxImage)}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  # Lowering a score needs a privilege that containers' hosts often lack.
  restrict_oom_score_adj = true
  # All that a killed containerd leaves lies below its own directories.
  netns_mounts_under_state_dir = true
  disable_tcp_service = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${text(options.cniBinDir)}
    conf_dir = ${text(options.cniConfDir)}
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = ${text(`${options.state}/runc`)}
`;
}

/** The CNI network of one node: a routed veth pair a pod, an address from each of the node's pod CIDRs. */
export function renderCniConfig(podCidrs: readonly string[], dataDir: string): string {
  const ranges = podCidrs.map((subnet) => [{ subnet }]);
  const routes = podCidrs.map((cidr) => ({ dst: cidr.includes(':') ? '::/0' : '0.0.0.0/0' }));
  const ipam = { type: 'host-local', dataDir, ranges, routes };
  const portmap = { type: 'portmap', capabilities: { portMappings: true } };
  const plugins = [{ type: 'ptp', ipMasq: false, mtu: 1500, ipam }, portmap];
  return `${JSON.stringify({ cniVersion: '0.4.0', name: 'sampan', plugins }, null, 2)}\n`;
}
