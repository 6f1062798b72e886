import { run, runInteractive } from '../host/exec.ts';

/** Debian packages that a cluster needs, and what for. */
export const DEBIAN_PACKAGES: Readonly<Record<string, string>> = {
  containerd: 'runs containers',
  runc: 'runs containers',
  'containernetworking-plugins': 'pod network',
  nftables: 'rules of Services',
  iptables: 'rules of Services, in that mode of the proxy',
  ipset: 'rules of Services, in the ipvs mode of the proxy',
  iproute2: 'network namespaces, links and routes',
  haproxy: 'serves Ingresses',
  'util-linux': 'nsenter, unshare and flock',
  bsdutils: 'script, for terminals in the demo',
  mount: 'mounts of volumes',
  curl: 'requests in the demo and the tests',
  'ca-certificates': 'trusted authorities',
};

/** Debian packages that only tests need, where Debian has them. */
export const TEST_PACKAGES: Readonly<Record<string, string>> = {
  'user-mode-linux': 'a guest kernel with IPVS',
  kmod: 'modules of that kernel',
  ipvsadm: 'an independent look at virtual servers',
};

/** Those of the needed packages that are not installed. Throws on a system without dpkg. */
export async function missingPackages(needed: readonly string[] = Object.keys(DEBIAN_PACKAGES)): Promise<string[]> {
  const { stdout } = await run(['dpkg', '--get-selections']);
  const installed = new Set(
    stdout
      .split('\n')
      .map((line) => /^([^\s:]+)\S*\s+(?:install|hold)$/.exec(line)?.[1])
      .filter(Boolean),
  );
  return needed.filter((name) => !installed.has(name));
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
