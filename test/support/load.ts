import { Agent, request } from 'node:http';

/** One answer that a LoadClient got. `error`: what broke the request, when nothing came back. */
export interface LoadAnswer {
  readonly client: number;
  readonly method: string;
  readonly status: number;
  readonly backend: string;
  /** Value of Limpet-Error, '' when the answer is not limpet's own. */
  readonly code: string;
  readonly error: string;
}

export interface LoadOptions {
  readonly url: string;
  readonly clients: number;
  /** Requests a second, all clients together. */
  readonly rate: number;
  /** Method and body of the client's nth request. */
  readonly next: (client: number, nth: number) => { method: string; body: Buffer | null };
  readonly onAnswer: (answer: LoadAnswer) => void;
}

/**
 * Sessions that send requests at a fixed rate over shared keep-alive connections and keep the cookies they are given.
 */
export class Load {
  readonly #options: LoadOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 100 });
  readonly #cookies: string[] = [];
  readonly #busy: boolean[] = [];
  readonly #sent: number[] = [];
  #timer: NodeJS.Timeout | null = null;
  #inFlight = 0;
  #turn = 0;
  #onIdle: (() => void) | null = null;
  /** Requests sent so far. */
  total = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    for (let client = 0; client < options.clients; client++) {
      this.#cookies.push('');
      this.#busy.push(false);
      this.#sent.push(0);
    }
  }

  start(): void {
    const started = performance.now();
    this.#timer = setInterval(() => {
      const due = ((performance.now() - started) / 1000) * this.#options.rate;
      // A client with a request under way is passed over: a session is sequential, as a browser's page is.
      for (let tries = 0; this.total < due && tries < this.#options.clients; tries++) {
        const client = this.#turn++ % this.#options.clients;
        if (!this.#busy[client]) this.send(client);
      }
    }, 2);
  }

  /** Sends the next request of a client now. */
  send(client: number): Promise<LoadAnswer> {
    const { promise, resolve } = Promise.withResolvers<LoadAnswer>();
    const { method, body } = this.#options.next(client, this.#sent[client]!);
    this.#sent[client]!++;
    this.#busy[client] = true;
    this.total++;
    this.#inFlight++;
    const done = (answer: LoadAnswer): void => {
      this.#busy[client] = false;
      this.#inFlight--;
      this.#options.onAnswer(answer);
      resolve(answer);
      if (this.#inFlight === 0) this.#onIdle?.();
    };
    const headers: Record<string, string> = this.#cookies[client] === '' ? {} : { cookie: this.#cookies[client]! };
    if (body !== null) headers['content-length'] = String(body.length);
    const outgoing = request(this.#options.url, { agent: this.#agent, method, headers }, (response) => {
      response.resume();
      const [setCookie] = response.headers['set-cookie'] ?? [];
      if (setCookie !== undefined) this.#cookies[client] = setCookie.split(';')[0]!;
      const base = {
        client,
        method,
        status: response.statusCode ?? 0,
        backend: String(response.headers['x-backend'] ?? ''),
        code: String(response.headers['limpet-error'] ?? ''),
      };
      response.on('end', () => done({ ...base, error: '' }));
      response.on('error', (error) => done({ ...base, error: error.message }));
    });
    outgoing.on('error', (error) => {
      if (this.#busy[client]) done({ client, method, status: 0, backend: '', code: '', error: error.message });
    });
    outgoing.end(body ?? undefined);
    return promise;
  }

  /** Sends no more and settles when every answer has come. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (this.#inFlight > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onIdle = resolve;
      await promise;
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}
