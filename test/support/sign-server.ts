import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { freePort } from './free-port.ts';

export interface SignServerOptions {
  /** `listen` on this path instead of a port. */
  readonly path?: string;
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly http2?: boolean;
}

/**
 * A server in this process whose end can be had in parts: its port, its connections. `?stream` is answered without end;
 * `/healthz` as everything else.
 */
export class SignServer {
  port = 0;
  /** Connections that are open. */
  readonly open = new Set<Socket>();
  accepted = 0;
  requests = 0;
  /** Headers of its answers. */
  headers: Record<string, string> = {};
  /** How long it keeps an idle connection, ms; 0: for good, and it says nothing about it. */
  keepAlive = 0;
  /** Answers in place of the usual one. */
  answer: RequestListener | null = null;
  readonly id: string;
  readonly #options: SignServerOptions;
  #server: Server | null = null;

  constructor(id: string, options: SignServerOptions = {}) {
    this.id = id;
    this.#options = options;
  }

  get url(): string {
    const { path, tls } = this.#options;
    return path === undefined ? `http${tls === undefined ? '' : 's'}://127.0.0.1:${this.port}` : `unix:${path}`;
  }

  async start(): Promise<this> {
    const { path, tls, http2 = false } = this.#options;
    const listener: RequestListener = (request, response) => {
      this.requests++;
      request.on('error', () => {}).resume();
      response.on('error', () => {});
      if (this.answer !== null) return void this.answer(request, response);
      response.setHeader('X-Backend', this.id);
      for (const [name, value] of Object.entries(this.headers)) response.setHeader(name, value);
      if (request.url?.includes('stream')) response.write('begin\n');
      else response.end(JSON.stringify({ headers: request.headers }));
    };
    const server = http2
      ? (createHttp2Server(listener as never) as unknown as Server)
      : tls === undefined
        ? createServer(listener)
        : (createTlsServer(tls, listener) as unknown as Server);
    server.keepAliveTimeout = this.keepAlive;
    server.on('connection', (socket: Socket) => {
      this.accepted++;
      this.open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.open.delete(socket));
    });
    server.on('tlsClientError', () => {});
    this.#server = server;
    if (path === undefined) server.listen((this.port ||= await freePort()), '127.0.0.1');
    else server.listen(path);
    await once(server, 'listening');
    if (path === undefined) this.port = (server.address() as AddressInfo).port;
    return this;
  }

  /** Refuses connections from here on; those that are open stay. */
  closePort(): void {
    this.#server?.close();
    this.#server = null;
  }

  /** Resets all connections. */
  drop(): void {
    for (const socket of this.open) socket.resetAndDestroy();
  }

  /** As a process that is killed. */
  stop(): void {
    this.closePort();
    this.drop();
  }
}
