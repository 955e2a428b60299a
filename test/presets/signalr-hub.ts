import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

const RECORD_END = '\x1e';

/** One connection of a client, over whatever transport it comes. */
class HubConnection {
  #waiting = '';
  #send: ((text: string) => void) | null = null;

  /** From here on `send` gets what is for the client; null: it waits. */
  attach(send: ((text: string) => void) | null): void {
    this.#send = send;
    if (send === null || this.#waiting === '') return;
    const text = this.#waiting;
    this.#waiting = '';
    send(text);
  }

  /** Takes messages of the client: the handshake, and calls of a method that answers its argument. */
  receive(text: string): void {
    for (const record of text.split(RECORD_END).slice(0, -1)) {
      const message = JSON.parse(record) as { protocol?: string; invocationId?: string; arguments?: unknown[] };
      if (message.protocol !== undefined) this.#answer({});
      else this.#answer({ type: 3, invocationId: message.invocationId, result: message.arguments?.[0] });
    }
  }

  #answer(value: object): void {
    const text = JSON.stringify(value) + RECORD_END;
    if (this.#send === null) this.#waiting += text;
    else this.#send(text);
  }
}

/**
 * A stand-in for a server of ASP.NET Core SignalR (its TransportProtocols.md): negotiate, then WebSocket, server-sent
 * events or long polling for the `id` that was given. An id that it did not give is refused with 404.
 */
export class SignalRHub {
  readonly id: string;
  /** Requests with an id that this server did not give. */
  unknown = 0;
  /** Clients that it has negotiated with. */
  negotiated = 0;
  readonly #connections = new Map<string, HubConnection>();
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });

  constructor(id: string) {
    this.id = id;
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on('upgrade', (request, socket, head) => {
      const connection = this.#find(request);
      if (connection === undefined) {
        socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
        webSocket.on('message', (data) => connection.receive(String(data)));
        webSocket.on('error', () => {});
        connection.attach((text) => webSocket.send(text));
      });
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
    for (const socket of this.#sockets.clients) socket.terminate();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #find(request: IncomingMessage): HubConnection | undefined {
    const connection = this.#connections.get(new URL(request.url!, 'http://x').searchParams.get('id') ?? '');
    if (connection === undefined) this.unknown++;
    return connection;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.on('error', () => {});
    if (request.url === '/healthz') return void response.end('Healthy');
    if (request.url?.startsWith('/hubs/chat/negotiate')) {
      request.resume();
      this.negotiated++;
      const token = randomUUID();
      this.#connections.set(token, new HubConnection());
      const availableTransports = ['WebSockets', 'ServerSentEvents', 'LongPolling'].map((transport) => ({ transport }));
      return void response.end(
        JSON.stringify({
          negotiateVersion: 1,
          connectionToken: token,
          connectionId: randomUUID(),
          availableTransports,
        }),
      );
    }
    const connection = this.#find(request);
    if (connection === undefined) {
      response.writeHead(404).end('No Connection with that ID');
    } else if (request.method === 'POST') {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      request.on('end', () => {
        connection.receive(text);
        response.end();
      });
    } else if (request.headers.accept === 'text/event-stream') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' }).write(':\r\n\r\n');
      connection.attach((message) => response.write(`data: ${message}\r\n\r\n`));
    } else {
      // A poll is answered when there is something to say.
      connection.attach((message) => {
        connection.attach(null);
        response.end(message);
      });
    }
  }
}
