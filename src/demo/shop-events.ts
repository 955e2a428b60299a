import type { ServerResponse } from 'node:http';
import { ShopError } from './shop-error.ts';

const MAX_STREAMS = 500;
/** Bytes that may wait for a reader; over it the stream is cut, and the browser opens a new one. */
const MAX_WAITING = 64 * 1024;

/** The streams of server-sent events: each gets a tick each second, with the server that sends it. */
export class ShopEvents {
  readonly #server: string;
  readonly #streams = new Map<ServerResponse, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(server: string, everyMs = 1000) {
    this.#server = server;
    this.#timer = setInterval(() => this.#tick(), everyMs).unref();
  }

  /** Makes a response a stream of events. Throws a ShopError (503) when there are too many. */
  open(response: ServerResponse): void {
    if (this.#streams.size >= MAX_STREAMS) {
      throw new ShopError(503, 'too-many-streams', 'Too many event streams are open here.', { 'retry-after': '5' });
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.on('close', () => this.#streams.delete(response));
    this.#streams.set(response, 0);
    response.write(`retry: 1000\n\n${this.#event(0)}`);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const response of this.#streams.keys()) response.end();
  }

  #tick(): void {
    for (const [response, last] of this.#streams) {
      if (response.writableLength > MAX_WAITING) {
        response.destroy();
        continue;
      }
      this.#streams.set(response, last + 1);
      response.write(this.#event(last + 1));
    }
  }

  #event(tick: number): string {
    return `event: tick\nid: ${this.#server}-${tick}\ndata: ${JSON.stringify({ server: this.#server, tick })}\n\n`;
  }
}
