import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Answered } from './ask.ts';

/**
 * An application server in this process that says what it was told of the session, and does to it what the request asks for: `?session=` is its Limpet-Session,
 * `user` its Limpet-User, `set` a Set-Cookie line, `status` its status; `hold` waits for `release`, `drop` closes the connection, `stream` is an event stream without end. Takes WebSockets,
 * which answer each message with itself.
 */
export class SessionBackend {
  readonly id: string;
  readonly #sockets: { readonly path: string; readonly socket: WebSocket }[] = [];
  /** Paths of the requests that came. */
  readonly seen: string[] = [];
  /** Event streams that are open. */
  streams = 0;
  port = 0;
  #server: Server | null = null;
  readonly #held: (() => void)[] = [];

  constructor(id: string) {
    this.id = id;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** WebSockets that were opened with this path. */
  socketsOf(path: string): WebSocket[] {
    return this.#sockets.filter((one) => one.path === path).map(({ socket }) => socket);
  }

  /** Requests that wait for `release`. */
  get held(): number {
    return this.#held.length;
  }

  /** Starts it, the second time on the port of the first. */
  async start(): Promise<this> {
    const server = createServer((request, response) => this.#answer(request, response));
    this.#server = server;
    const sockets = new WebSocketServer({ server });
    sockets.on('headers', (headers, { url }) => {
      headers.push(`X-Backend: ${this.id}`);
      for (const line of linesOf(url)) headers.push(line.join(': '));
    });
    sockets.on('connection', (socket, { url = '' }) => {
      this.#sockets.push({ path: url, socket });
      socket.on('error', () => {});
      socket.on('message', (data) => socket.send(data));
    });
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    return this;
  }

  /** Refuses connections from here on, and resets those that are open. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    for (const { socket } of this.#sockets) socket.terminate();
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  /** Lets every request that is held be answered. */
  release(): void {
    for (const go of this.#held.splice(0)) go();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { searchParams } = new URL(request.url ?? '/', 'http://x');
    this.seen.push(request.url ?? '');
    request.on('error', () => {});
    request.resume();
    response.setHeader('X-Backend', this.id);
    for (const [name, value] of linesOf(request.url)) response.appendHeader(name, value);
    if (searchParams.has('stream')) {
      this.streams++;
      response.on('close', () => this.streams--);
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: hello\n\n');
      return;
    }
    const answer = (): void => {
      if (searchParams.has('drop')) return void request.socket.destroy();
      const body = JSON.stringify({ id: this.id, headers: request.headers });
      response.writeHead(Number(searchParams.get('status') ?? 200), {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
      });
      response.end(body);
    };
    request.on('end', () => {
      if (searchParams.has('hold')) this.#held.push(answer);
      else answer();
    });
  }
}

function linesOf(url = '/'): [name: string, value: string][] {
  const { searchParams } = new URL(url, 'http://x');
  return [
    ...searchParams.getAll('session').map((word): [string, string] => ['Limpet-Session', word]),
    ...searchParams.getAll('user').map((user): [string, string] => ['Limpet-User', user]),
    ...searchParams.getAll('set').map((line): [string, string] => ['Set-Cookie', line]),
  ];
}

/** A header that a SessionBackend got with the request of this answer; '' when there was none. */
export function told({ body }: Answered, name: string): string {
  return (JSON.parse(body) as { headers: Record<string, string> }).headers[name] ?? '';
}

/** Public id of the session that a SessionBackend was told of; '' when there was none. */
export function keyOf(answered: Answered): string {
  return told(answered, 'limpet-session');
}
