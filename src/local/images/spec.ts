/** A file that is put over what the packages brought. */
export type ImageFile =
  | { readonly text: string; readonly mode?: number }
  | { readonly link: string }
  | { readonly directory: true; readonly mode?: number }
  /** The text of all files below a directory of the image, one after the other. */
  | { readonly join: string };

/** An image made of Debian packages. */
export interface ImageSpec {
  /** Full references, as containers name it once defaults are filled in: `docker.io/library/nginx:latest`. */
  readonly names: readonly string[];
  readonly packages: readonly string[];
  /** Packages left out, with what they alone need, besides {@link NEVER_NEEDED}. */
  readonly exclude?: readonly string[];
  /** Absolute path in the image → file. */
  readonly files?: Readonly<Record<string, ImageFile>>;
  /** Paths in the image (prefixes) that are taken out. */
  readonly remove?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workingDir?: string;
  /** `80/tcp` */
  readonly exposedPorts?: readonly string[];
  readonly stopSignal?: string;
}

/** What packages ask for to be installed, and nothing needs at run time. */
export const NEVER_NEEDED: readonly string[] = [
  'adduser',
  'debconf',
  'cdebconf',
  'dpkg',
  'init-system-helpers',
  'install-info',
  'iproute2',
  'lsb-base',
  'passwd',
  'perl-base',
  'sysvinit-utils',
];

/** Paths that no image needs. */
export const NEVER_KEPT: readonly string[] = [
  '/usr/share/doc',
  '/usr/share/man',
  '/usr/share/locale',
  '/usr/share/lintian',
  '/usr/share/bug',
  '/usr/share/info',
  '/usr/lib/systemd',
  '/lib/systemd',
  '/etc/init.d',
  '/etc/logrotate.d',
  '/etc/ufw',
];
