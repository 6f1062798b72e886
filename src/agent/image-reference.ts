/** An image's name in its parts, completed as every runtime does. */
export interface ImageReference {
  /** `docker.io`, `localhost:5000` */
  readonly registry: string;
  /** Path below the registry. */
  readonly repository: string;
}

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const DOMAIN = '(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::\\d+)?';
const REFERENCE = new RegExp(
  `^(?:(${DOMAIN})/)?(${COMPONENT}(?:/${COMPONENT})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9+.-]*:[0-9a-fA-F]{32,}))?$`,
);
const DOCKER_HUB = 'docker.io';

/** Undefined for a text that is no image name (grammar of `distribution/reference`). */
export function parseImage(text: string): ImageReference | undefined {
  const match = REFERENCE.exec(text);
  if (!match) return undefined;
  const [, domain, path = ''] = match;
  // A first part without a dot, a port or "localhost" is no host.
  const isHost =
    domain !== undefined && (/[.:]/.test(domain) || domain === 'localhost' || domain !== domain.toLowerCase());
  const registry = isHost ? domain : DOCKER_HUB;
  const whole = domain === undefined || isHost ? path : `${domain}/${path}`;
  const repository = registry === DOCKER_HUB && !whole.includes('/') ? `library/${whole}` : whole;
  return { registry: registry === 'index.docker.io' ? DOCKER_HUB : registry, repository };
}
