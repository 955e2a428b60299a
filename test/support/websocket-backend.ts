import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** An application server in this process that takes WebSockets and answers other requests with its name. */
export class WebSocketBackend {
  readonly id: string;
  readonly sockets: WebSocket[] = [];
  /** Called with each WebSocket that opens. */
  readonly #onOpen: (socket: WebSocket, request: IncomingMessage, backend: WebSocketBackend) => void;
  readonly #server: Server;

  constructor(id: string, onOpen: (socket: WebSocket, request: IncomingMessage, backend: WebSocketBackend) => void) {
    this.id = id;
    this.#onOpen = onOpen;
    this.#server = createServer((request, response) => {
      request.resume();
      request.on('end', () => response.setHeader('X-Backend', id).end('ok'));
    });
    const sockets = new WebSocketServer({ server: this.#server, perMessageDeflate: true });
    sockets.on('headers', (headers) => headers.push(`X-Backend: ${id}`));
    sockets.on('connection', (socket, request) => {
      this.sockets.push(socket);
      socket.on('error', () => {});
      this.#onOpen(socket, request, this);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.terminate();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
