import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';

/** A registry (OCI distribution) on this machine that serves the image of a test, to whom it knows. */
export class TestRegistry {
  readonly name: string;
  readonly #server: Server;
  readonly #layout: string;
  /** Users that have asked, with their password. */
  readonly users = new Set<string>();
  /** While set, requests for `slow` wait for it. */
  hold: Promise<void> = Promise.resolve();

  constructor(server: Server, layout: string, port: number) {
    this.#server = server;
    this.#layout = layout;
    this.name = `localhost:${port}`;
  }

  /** `layout`: directory of an OCI layout with one image. */
  static async start(layout: string): Promise<TestRegistry> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
    const { port } = server.address() as { port: number };
    const registry = new TestRegistry(server, layout, port);
    server.on('request', (request, response) => void registry.#answer(request, response));
    return registry;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { authorization } = request.headers;
    if (authorization) this.users.add(Buffer.from(authorization.replace('Basic ', ''), 'base64').toString());
    const user = authorization && Buffer.from(authorization.replace('Basic ', ''), 'base64').toString();
    if (request.url!.startsWith('/v2/private/') && user !== 'robot:s3cret') {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
      return;
    }
    if (request.url!.includes('/slow/')) await this.hold;
    const [, kind, reference = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(request.url!) ?? [];
    const digest = reference.startsWith('sha256:') ? reference : await this.#manifestDigest();
    const body = await readFile(join(this.#layout, 'blobs', digest.replace(':', '/'))).catch(() => undefined);
    if (!kind || !body) return void response.writeHead(404).end();
    const type = kind === 'manifests' ? 'application/vnd.oci.image.manifest.v1+json' : 'application/octet-stream';
    response.writeHead(200, {
      'content-type': type,
      'content-length': body.length,
      'docker-content-digest': digest,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #manifestDigest(): Promise<string> {
    const index = JSON.parse(await readFile(join(this.#layout, 'index.json'), 'utf8'));
    return index.manifests[0].digest;
  }
}
