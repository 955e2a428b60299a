import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { freePort } from './free-port.ts';

/** An HTTP server in this process that can be stopped and come back at the same port. */
export abstract class LoopbackServer {
  port = 0;
  #server: Server | null = null;

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it, the second time on the port of the first. */
  async start(): Promise<this> {
    const server = createServer((request, response) => {
      request.on('error', () => {});
      this.serve(request, response);
    });
    this.#server = server;
    this.opened(server);
    this.port ||= await freePort();
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    return this;
  }

  /** Refuses connections from here on, and resets those that are open. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = once(server, 'close');
    this.closing();
    server.close();
    server.closeAllConnections();
    await closed;
  }

  /** Answers a request; its head has come. */
  protected abstract serve(request: IncomingMessage, response: ServerResponse): void;

  /** For what else the server does. */
  protected opened(_server: Server): void {}

  /** Before it closes. */
  protected closing(): void {}
}
