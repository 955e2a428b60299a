import { randomBytes } from 'node:crypto';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Sessions in the memory of one server, under ids that only their browser knows. Each change is copied to one other
 * server before it counts as made, over a port of its own that no client reaches. The process is told where by a
 * message `{ copyTo: port }`; it answers each with the port of its own, `{ copies: port }`.
 */
export class CopiedSessions<State extends object> {
  readonly #states = new Map<string, State>();
  #copyTo = 0;
  readonly #port: Promise<number>;

  constructor() {
    const server = createServer((from, response) => {
      const id = (from.url ?? '').slice(1);
      let text = '';
      from.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      from.on('end', () => {
        if (from.method === 'DELETE') this.#states.delete(id);
        else this.#states.set(id, JSON.parse(text) as State);
        response.writeHead(204).end();
      });
    });
    this.#port = new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
    process.on('message', async ({ copyTo = 0 }: { copyTo?: number }) => {
      this.#copyTo = copyTo;
      process.send?.({ copies: await this.#port });
    });
  }

  get(id: string | undefined): State | undefined {
    return id === undefined ? undefined : this.#states.get(id);
  }

  /** Keeps a state under a new id. */
  async begin(state: State): Promise<string> {
    const id = randomBytes(16).toString('hex');
    await this.keep(id, state);
    return id;
  }

  async keep(id: string, state: State): Promise<void> {
    this.#states.set(id, state);
    await this.#copy('PUT', id, JSON.stringify(state));
  }

  async drop(id: string | undefined): Promise<void> {
    if (id === undefined || !this.#states.delete(id)) return;
    await this.#copy('DELETE', id, '');
  }

  /** A server that is gone gets no copies. */
  #copy(method: string, id: string, text: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#copyTo === 0) return Promise.resolve();
    const sent = request({ host: '127.0.0.1', port: this.#copyTo, path: `/${id}`, method, agent: false }, (answer) => {
      answer.resume().on('close', resolve);
    });
    sent.on('error', () => resolve());
    sent.end(text);
    return promise;
  }
}
