import { connect, type Socket } from 'node:net';

/** What KeptClients work with. */
export interface KeptClientsOptions {
  /** Of the moment. */
  readonly port: () => number;
  readonly clients: number;
  /** Requests a second, all clients together. */
  readonly rate: number;
  /** Open another connection when one has ended in good order; otherwise the client is done with it. */
  readonly reconnects: boolean;
}

/**
 * Clients that send one request after the other on a kept connection each, a GET and a POST in turn, at a fixed pace,
 * and end it when an answer says `Connection: close`. A connection that ends with a request on it, or by a reset, is a
 * trouble.
 */
export class KeptClients {
  readonly troubles: string[] = [];
  answers = 0;
  /** Answers that said Connection: close. */
  told = 0;
  /** Connections that were ended while they were idle. */
  endedIdle = 0;
  readonly #options: KeptClientsOptions;
  readonly #running: Promise<void>[];
  readonly #sockets = new Set<Socket>();
  #stopped = false;

  constructor(options: KeptClientsOptions) {
    this.#options = options;
    this.#running = Array.from({ length: options.clients }, () => this.#run());
  }

  /** Settles when all have ended their connections; without `reconnects` they do so by themselves. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.ended();
  }

  async #run(): Promise<void> {
    const pace = (1_000 * this.#options.clients) / this.#options.rate;
    do await this.#connection(pace);
    while (this.#options.reconnects && !this.#stopped);
  }

  #connection(pace: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = connect({ host: '127.0.0.1', port: this.#options.port(), noDelay: true });
    this.#sockets.add(socket);
    let text = '';
    let asked = '';
    let nth = Math.random() < 0.5 ? 0 : 1;
    let timer: NodeJS.Timeout | undefined;
    const next = (): void => {
      if (this.#stopped) return void socket.end();
      asked = nth++ % 2 === 0 ? 'GET' : 'POST';
      socket.write(
        asked === 'GET'
          ? 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
          : 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nx=1',
      );
    };
    socket.on('connect', next);
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      const head = text.indexOf('\r\n\r\n');
      const length = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0);
      if (head < 0 || text.length < head + 4 + length) return;
      if (!text.startsWith('HTTP/1.1 200 ')) this.troubles.push(`${asked}: ${text.slice(0, 200)}`);
      this.answers++;
      asked = '';
      const closes = /^connection: close/im.test(text.slice(0, head + 2));
      text = '';
      if (closes) {
        this.told++;
        socket.end();
      } else timer = setTimeout(next, pace * (0.5 + Math.random()));
    });
    socket.on('end', () => {
      clearTimeout(timer);
      if (asked !== '') this.troubles.push(`${asked}: ended without an answer`);
      else this.endedIdle++;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.troubles.push(`${asked === '' ? 'idle' : asked}: ${error.code ?? error.message}`);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      resolve();
    });
    return promise;
  }
}
