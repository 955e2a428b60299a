import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Answered } from './ask.ts';
import { LoopbackServer } from './loopback-server.ts';

/**
 * An application server in this process that says what it was told of the session, and does to it what the request asks
 * for: `?session=` is its Limpet-Session, `user` its Limpet-User, `set` a Set-Cookie line, `status` its status; `hold`
 * waits for `release`, `drop` closes the connection, `stream` is an event stream without end. Takes WebSockets, which
 * answer each message with itself.
 */
export class SessionBackend extends LoopbackServer {
  readonly id: string;
  readonly #sockets: { readonly path: string; readonly socket: WebSocket }[] = [];
  /** Paths of the requests that came. */
  readonly seen: string[] = [];
  /** Event streams that are open. */
  streams = 0;
  readonly #held: (() => void)[] = [];

  constructor(id: string) {
    super();
    this.id = id;
  }

  /** WebSockets that were opened with this path. */
  socketsOf(path: string): WebSocket[] {
    return this.#sockets.filter((one) => one.path === path).map(({ socket }) => socket);
  }

  /** Requests that wait for `release`. */
  get held(): number {
    return this.#held.length;
  }

  protected override opened(server: Server): void {
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
  }

  protected override closing(): void {
    for (const { socket } of this.#sockets) socket.terminate();
  }

  /** Lets every request that is held be answered. */
  release(): void {
    for (const go of this.#held.splice(0)) go();
  }

  protected override serve(request: IncomingMessage, response: ServerResponse): void {
    const { searchParams } = new URL(request.url ?? '/', 'http://x');
    this.seen.push(request.url ?? '');
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
