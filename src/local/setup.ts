import { run, runInteractive } from '../host/exec.ts';

/** Debian packages that a cluster needs, and what for. */
export const DEBIAN_PACKAGES: Readonly<Record<string, string>> = {
  containerd: 'runs containers',
  runc: 'runs containers',
  'containernetworking-plugins': 'pod network',
  nftables: 'rules of Services',
  iptables: 'rules of Services, in that mode of the proxy',
  iproute2: 'network namespaces, links and routes',
  haproxy: 'serves Ingresses',
  'util-linux': 'nsenter, unshare and flock',
  bsdutils: 'script, for terminals in the demo',
  mount: 'mounts of volumes',
  curl: 'requests in the demo and the tests',
  'ca-certificates': 'trusted authorities',
};

/** Names of the needed packages that are not installed. Throws on a system without dpkg. */
export async function missingPackages(): Promise<string[]> {
  const { stdout } = await run(['dpkg', '--get-selections']);
  const installed = new Set(
    stdout
      .split('\n')
      .map((line) => /^([^\s:]+)\S*\s+(?:install|hold)$/.exec(line)?.[1])
      .filter(Boolean),
  );
  return Object.keys(DEBIAN_PACKAGES).filter((name) => !installed.has(name));
}

/** Installs packages; apt's own progress is shown. Throws when apt fails. */
export async function installPackages(names: readonly string[], env: Record<string, string>): Promise<void> {
  const environment = { ...env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = async (...words: string[]) => {
    const code = await runInteractive(['apt-get', '-q', ...words], environment);
    if (code !== 0) throw new Error(`apt-get ${words[0]} failed (exit code ${code}); its messages are above`);
  };
  await apt('update');
  await apt('install', '--yes', '--no-install-recommends', ...names);
}
