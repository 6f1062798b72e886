import type { Describe, Description } from './schemas.ts';

/** Reads a file of an npm package; undefined when there is none. */
export type ReadPackageFile = (path: string) => string | undefined;

const GROUP_FOLDERS: Readonly<Record<string, string>> = {
  core: 'kubernetes-models',
  apps: 'kubernetes-models/apps',
  policy: 'kubernetes-models/policy',
  autoscaling: 'kubernetes-models/autoscaling',
  discovery: 'kubernetes-models/discovery.k8s.io',
  coordination: 'kubernetes-models/coordination.k8s.io',
  networking: 'kubernetes-models/networking.k8s.io',
  authentication: 'kubernetes-models/authentication.k8s.io',
  authorization: 'kubernetes-models/authorization.k8s.io',
  batch: 'kubernetes-models/batch',
  rbac: 'kubernetes-models/rbac.authorization.k8s.io',
  storage: 'kubernetes-models/storage.k8s.io',
  scheduling: 'kubernetes-models/scheduling.k8s.io',
  node: 'kubernetes-models/node.k8s.io',
  certificates: 'kubernetes-models/certificates.k8s.io',
  admissionregistration: 'kubernetes-models/admissionregistration.k8s.io',
  apiextensions: 'kubernetes-models/apiextensions.k8s.io',
  events: 'kubernetes-models/events.k8s.io',
  extensions: 'kubernetes-models/extensions',
  meta: '@kubernetes-models/apimachinery/apis/meta',
};

/** Descriptions as the package `kubernetes-models` carries them in its type declarations; each file is read once. */
export function describeFrom(readFile: ReadPackageFile): Describe {
  const known = new Map<string, Description | undefined>();
  return (typeName) => {
    if (!known.has(typeName)) known.set(typeName, read(typeName, readFile));
    return known.get(typeName);
  };
}

function read(typeName: string, readFile: ReadPackageFile): Description | undefined {
  const [, group = '', version = '', kind = ''] = /^([^/]+)\/([^.]+)\.(.+)$/.exec(typeName) ?? [];
  const folder = GROUP_FOLDERS[group];
  const text = folder && readFile(`${folder}/${version}/${kind}.d.ts`);
  return text ? parseDeclaration(text) : undefined;
}

const COMMENT = String.raw`/\*\*((?:(?!\*/)[\s\S])*)\*/\s*`;
const INTERFACE = new RegExp(`${COMMENT}export interface `);
const FIELD = new RegExp(`${COMMENT}"([^"]+)"\\??:`, 'g');

/** The comments above an interface and above its fields. */
export function parseDeclaration(text: string): Description {
  const body = text.slice(0, text.indexOf('export declare class') >>> 0);
  const fields: Record<string, string> = {};
  for (const [, comment = '', name = ''] of body.matchAll(FIELD)) fields[name] ??= plain(comment);
  const own = INTERFACE.exec(body)?.[1];
  return { text: own && plain(own), fields };
}

function plain(comment: string): string {
  const lines = comment.split('\n').map((line) => line.replace(/^\s*\* ?/, '').trimEnd());
  return lines.join('\n').trim();
}
