import type { IncomingMessage, ServerResponse } from 'node:http';
import { echo, HttpBackend } from '../support/http-backend.ts';

/** A request that the application has and has not answered. */
interface Held {
  readonly name: string;
  /** Value of Limpet-Session. */
  readonly session: string;
  /** Answers it with these fields, and its name as the body. */
  answer(headers?: Record<string, string>): void;
}

/**
 * An application that keeps requests for `/hold/NAME` until the test answers them, and those for
 * `/slow/NAME` in the middle of the body, begins an event stream at `/events`, agrees to any upgrade at `/upgrade`,
 * and echoes the rest.
 */
export class HeldBackend extends HttpBackend {
  /** In order of arrival. */
  readonly held: Held[] = [];
  /** Names of all that it ever held, in order of arrival. */
  readonly names: string[] = [];

  constructor(id: string) {
    super(id, (request, response) => this.#take(request, response));
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const [, what, name = ''] = request.url!.split('/');
    if (what === 'events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: hello\n\n');
    } else if (what === 'upgrade') {
      request.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n');
    } else if (what === 'hold' || what === 'slow') {
      request.resume();
      this.names.push(name);
      const held: Held = {
        name,
        session: String(request.headers['limpet-session']),
        answer: (headers = {}) => {
          this.#forget(held);
          if (!response.headersSent)
            response.writeHead(200, { 'content-type': 'text/plain', 'content-length': name.length, ...headers });
          response.end(what === 'slow' ? name.slice(1) : name);
        },
      };
      if (what === 'slow') response.writeHead(200, { 'content-length': name.length }).write(name[0]);
      this.held.push(held);
      response.on('close', () => this.#forget(held));
    } else echo(request, response, this);
  }

  #forget(held: Held): void {
    const at = this.held.indexOf(held);
    if (at >= 0) this.held.splice(at, 1);
  }
}
