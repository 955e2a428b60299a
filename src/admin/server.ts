import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { type Bind, isLocalBind, parseBind } from '../config/bind.ts';
import type { AdminConfig } from '../config/schema.ts';
import { StartError } from '../errors-start.ts';
import { BearerToken } from '../keys/bearer-token.ts';
import type { Logger } from '../logging/logger.ts';
import { tcpKeepAlive } from '../sockets/tcp-keep-alive.ts';
import { Deadline } from '../timing/deadline.ts';
import { AdminPlaces } from './admin-places.ts';
import type { Answer } from './answer.ts';
import { Api } from './api.ts';
import type { ControlPlane } from './control-plane.ts';
import { problem } from './problem.ts';
import { clearStaleSocket } from './unix-socket.ts';

const HEADER_BYTES = 16 * 1024;
const HEADER_MS = 5_000;
const REQUEST_MS = 30_000;
/** A dashboard that follows events sends nothing: one that has vanished is found out so. */
const TCP_KEEP_ALIVE_MS = 60_000;
const KEEP_ALIVE_MS = 60_000;
/** How often Node looks for connections over these limits. */
const CHECK_MS = 1000;

/** Answers of this API are for the one who asked, now. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
} as const;

/** Statuses for what Node's parser refuses, by its error code. */
const PARSE_STATUS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};

/** All places are in use by requests that last. */
const FULL = problem(503, 'Too many requests are under way here, such as event streams.', '/');

/** The admin API on its own address. No request and no connection can make it throw. */
export class AdminServer {
  readonly #bind: Bind;
  readonly #server: Server;
  readonly #places: AdminPlaces;
  readonly #api: Api;
  readonly #log: Logger;

  /**
   * Listens.
   * @param config with a `bind` that is not null
   * @throws StartError with one line that says what to do: the address is taken or not there, the token file is no good
   */
  static async start(
    config: AdminConfig & { readonly bind: string },
    control: ControlPlane,
    log: Logger,
  ): Promise<AdminServer> {
    const bind = parseBind(config.bind);
    if ('error' in bind) throw new StartError(`admin.bind: ${bind.error}`);
    const token = config.tokenFile === null ? null : BearerToken.fromFile(config.tokenFile);
    if (token === null && !isLocalBind(bind)) {
      throw new StartError(`admin.bind: ${config.bind} can be reached from other machines: set admin.tokenFile`);
    }
    const api = new Api(control, { token, localHostOnly: token === null && bind.kind === 'tcp' }, log);
    const server = new AdminServer(bind, api, log);
    await server.#listen();
    return server;
  }

  private constructor(bind: Bind, api: Api, log: Logger) {
    this.#bind = bind;
    this.#api = api;
    this.#log = log;
    this.#server = createServer(
      {
        maxHeaderSize: HEADER_BYTES,
        ...tcpKeepAlive(TCP_KEEP_ALIVE_MS),
        headersTimeout: HEADER_MS,
        requestTimeout: REQUEST_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: CHECK_MS,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#places = new AdminPlaces(this.#server);
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuse(error, socket as Socket));
    this.#server.on('connect', (_request, socket: Socket) => {
      const body = problem(405, 'CONNECT is not possible here.', '/').body;
      socket.end(rawAnswer(405, body, 'Allow: GET, HEAD, OPTIONS\r\n'));
    });
  }

  /** Where it listens: `http://127.0.0.1:9900` or `unix:/run/limpet.sock`. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') return `unix:${address ?? ''}`;
    return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
  }

  /** Takes no more requests; those under way may end until the deadline, then their connections are cut. */
  close(deadlineMs = 1000): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const deadline = new Deadline(deadlineMs, () => this.#server.closeAllConnections());
    this.#server.close(() => {
      deadline.cancel();
      resolve();
    });
    return promise;
  }

  async #listen(): Promise<void> {
    const bind = this.#bind;
    if (bind.kind === 'unix') await clearStaleSocket(bind.path, 'admin.bind');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const server = this.#server;
    server.once('error', reject);
    server.once('listening', resolve);
    if (bind.kind === 'unix') {
      // The name appears within this call: whoever may open it is decided before, not by a chmod after.
      const before = process.umask(0o177);
      try {
        server.listen({ path: bind.path });
      } finally {
        process.umask(before);
      }
    } else {
      server.listen({ host: bind.host, port: bind.port });
    }
    try {
      await promise;
    } catch (cause) {
      throw new StartError(`admin.bind: ${explain(bind, cause as NodeJS.ErrnoException)}`, { cause });
    }
    server.off('error', reject);
    // Out of file descriptors, most of all: accepting goes on with the next connection (behaviour 71).
    server.on('error', (err) => this.#log.error({ err }, 'admin server'));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A connection that breaks is its client's business; without a listener it would be an exception.
    request.on('error', ignore);
    response.on('error', ignore);
    const isIn = this.#places.begins(request, response);
    const answer = isIn ? await this.#api.answer(request) : FULL;
    if (answer === null || response.destroyed) return;
    try {
      send(request, response, answer);
      if (response.writableEnded) this.#places.answered(request);
    } catch (err) {
      this.#log.error({ err }, 'admin answer failed');
      response.destroy();
    }
  }
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { status, type, body, headers = {}, stream } = answer;
  response.statusCode = status;
  for (const [name, value] of Object.entries({ ...HEADERS, ...headers })) response.setHeader(name, value);
  // The rest of a body that nobody wants is not waited for; and behind an Upgrade, even one that nobody takes up, Node
  // reads no other request.
  if (!request.complete || request.headers.upgrade !== undefined) response.setHeader('Connection', 'close');
  if (stream !== undefined && request.method !== 'HEAD') {
    response.writeHead(status, { 'Content-Type': type });
    stream(response);
    return;
  }
  if (status !== 204) {
    response.setHeader('Content-Type', type);
    if (stream === undefined) response.setHeader('Content-Length', Buffer.byteLength(body));
  }
  response.end(request.method === 'HEAD' || status === 204 ? undefined : body);
}

/** Answers what Node's parser did not take for a request, where that can still be read. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = PARSE_STATUS[error.code ?? ''] ?? 400;
  socket.end(rawAnswer(status, problem(status, 'This is not a request that can be read safely.', '').body));
}

function rawAnswer(status: number, body: string, headers = ''): string {
  const { title } = JSON.parse(body) as { title: string };
  return `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}Connection: close\r\n\r\n${body}`;
}

function explain(bind: Bind, error: NodeJS.ErrnoException): string {
  const where = bind.kind === 'unix' ? bind.path : `${bind.host}:${bind.port}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is in use by another process: stop it or choose another address`;
    case 'EADDRNOTAVAIL':
      return `${where} is not an address of this machine`;
    case 'EACCES':
      if (bind.kind === 'tcp') return `no permission to listen on ${where}: choose a port above 1023`;
      // libuv makes EACCES of ENOENT here.
      return existsSync(dirname(bind.path))
        ? `no permission to make ${where}: choose a folder that this user may write to`
        : `the folder of ${where} is not there: make it first`;
    case 'ENOTFOUND':
      return `the host of ${where} has no address`;
    default:
      return `cannot listen on ${where}: ${error.message}`;
  }
}

function ignore(): void {}
