import { PAUSE_IMAGE } from '../containerd.ts';
import type { ImageFile, ImageSpec } from './spec.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Debian's busybox is built without this one. */
const PRINTENV = `#!/bin/sh
[ $# = 0 ] && exec env
for name; do env | sed -n "s/^$name=//p" | grep . || exit 1; done
`;

/** Users that Debian's packages expect, and what every machine has. */
const BASE: Readonly<Record<string, ImageFile>> = {
  '/etc/passwd': {
    text: [
      'root:x:0:0:root:/root:/bin/sh',
      'www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin',
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
      '',
    ].join('\n'),
  },
  '/etc/group': { text: ['root:x:0:', 'adm:x:4:', 'www-data:x:33:', 'nogroup:x:65534:', ''].join('\n') },
  '/root': { directory: true, mode: 0o700 },
  '/tmp': { directory: true, mode: 0o1777 },
  '/bin/printenv': { text: PRINTENV, mode: 0o755 },
};

/** Programs of busybox that people type in containers. */
const APPLETS = (
  'sh ash [ test true false echo printf env cat head tail less more grep egrep sed awk sort uniq wc cut tr tee xargs ' +
  'ls cp mv rm mkdir rmdir ln touch chmod chown find stat du df mount umount ps top kill killall pidof sleep date uname hostname ' +
  'id whoami vi clear reset seq yes dd od hexdump md5sum sha256sum base64 tar gzip gunzip zcat unzip ' +
  'ip ifconfig route netstat ping ping6 traceroute nc telnet wget nslookup arp httpd timeout watch which basename dirname ' +
  'realpath readlink tty usleep'
).split(' ');

function applets(names: readonly string[]): Record<string, ImageFile> {
  return Object.fromEntries(names.map((name) => [`/bin/${name}`, { link: 'busybox' }]));
}

const pause: ImageSpec = {
  names: [PAUSE_IMAGE],
  packages: ['busybox-static'],
  entrypoint: ['/bin/busybox', 'sleep', 'infinity'],
};

const busybox: ImageSpec = {
  names: ['docker.io/library/busybox:latest'],
  packages: ['busybox-static'],
  files: { ...BASE, ...applets(APPLETS) },
  env: { PATH },
  cmd: ['sh'],
};

/** The server block lies where upstream's image has it, so that a volume over conf.d replaces it. */
const NGINX_DEFAULT_SITE = `server {
    listen 80;
    server_name localhost;

    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
`;

/** Debian's nginx in the foreground, with its logs on the container's output. */
function nginxWith({ names, site, ports }: { names: string[]; site: string; ports: string[] }): ImageSpec {
  return {
    names,
    packages: ['nginx-light', 'busybox-static'],
    files: {
      ...BASE,
      ...applets(APPLETS),
      '/etc/nginx/conf.d/default.conf': { text: site },
      '/var/log/nginx': { directory: true },
      '/var/log/nginx/access.log': { link: '/dev/stdout' },
      '/var/log/nginx/error.log': { link: '/dev/stderr' },
      '/run': { directory: true },
      '/var/lib/nginx': { directory: true },
    },
    env: { PATH },
    cmd: ['nginx', '-g', 'daemon off;'],
    exposedPorts: ports,
    stopSignal: 'SIGQUIT',
  };
}

const nginx = nginxWith({
  names: ['docker.io/library/nginx:latest', 'docker.io/library/nginx:stable', 'docker.io/bprashanth/nginxhttps:1.0'],
  site: NGINX_DEFAULT_SITE,
  ports: ['80/tcp'],
});

/** Says which pod answers, at both ports of the book's example. */
const kubia = nginxWith({
  names: ['docker.io/luksa/kubia:latest'],
  site: namesItself({ ports: [8080, 8443], text: "You've hit $hostname" }),
  ports: ['8080/tcp', '8443/tcp'],
});

/** Says its host name and nothing else. */
const serveHostname = nginxWith({
  names: ['registry.k8s.io/serve_hostname:v1.4'],
  site: namesItself({ ports: [9376, 9377], text: '$hostname' }),
  ports: ['9376/tcp', '9377/tcp'],
});

function namesItself({ ports, text }: { ports: readonly number[]; text: string }): string {
  const listen = ports.map((port) => `    listen ${port};\n`).join('');
  return `server {\n${listen}    default_type text/plain;\n    return 200 "${text}\\n";\n}\n`;
}

const curl: ImageSpec = {
  names: ['docker.io/radial/busyboxplus:curl'],
  packages: ['busybox-static', 'curl', 'ca-certificates'],
  exclude: ['openssl'],
  files: {
    ...BASE,
    ...applets(APPLETS),
    '/etc/ssl/certs/ca-certificates.crt': { join: '/usr/share/ca-certificates' },
  },
  env: { PATH },
  cmd: ['sh'],
};

/** The images of the examples; the first is the one that every pod needs. */
export const imageCatalog: readonly ImageSpec[] = [pause, busybox, nginx, curl, kubia, serveHostname];
