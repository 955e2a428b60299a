import type { IncomingMessage, ServerResponse } from 'node:http';
import { LoopbackServer } from './loopback-server.ts';

/** Answers one request of an HttpBackend; called when its head has come. */
export type Answer = (request: IncomingMessage, response: ServerResponse, backend: HttpBackend) => void;

/** One request that an HttpBackend got. `/healthz` is answered aside and not among them. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/** An application server in this process that notes what it gets and answers as a test says. */
export class HttpBackend extends LoopbackServer {
  readonly id: string;
  /** How it answers; `echo` unless a test says otherwise. */
  answer: Answer;
  /** Status of its answers to probes; 0: it does not answer them. */
  health = 200;
  readonly seen: SeenRequest[] = [];
  /** When each probe came, by performance.now. */
  readonly probes: number[] = [];

  constructor(id: string, answer: Answer = echo) {
    super();
    this.id = id;
    this.answer = answer;
  }

  protected override serve(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('X-Backend', this.id);
    if (request.url === '/healthz') {
      this.probes.push(performance.now());
      if (this.health !== 0) response.writeHead(this.health).end();
      return;
    }
    this.seen.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers });
    this.answer(request, response, this);
  }
}

/** Reads the body, then answers 200 with what came, as JSON. */
export function echo(request: IncomingMessage, response: ServerResponse, backend: HttpBackend): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ id: backend.id, bytes, method: request.method, headers: request.headers }));
  });
}

/** Reads the whole request, then closes its connection without a word. */
export function drop(request: IncomingMessage): void {
  request.resume();
  request.on('end', () => request.socket.destroy());
}
