import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';

/** A thread that listens with the shortest backlog there is and then does nothing ever again. */
const SOURCE = `
const { createServer } = require('node:net');
const { parentPort } = require('node:worker_threads');
const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
});`;

/**
 * An address whose connections are never accepted nor refused: connecting to it takes until the one who tries gives up.
 */
export class BlackHole {
  readonly port: number;
  readonly #thread: Worker;
  readonly #fill: ReturnType<typeof connect>[];

  private constructor(port: number, thread: Worker, fill: ReturnType<typeof connect>[]) {
    this.port = port;
    this.#thread = thread;
    this.#fill = fill;
  }

  static async open(): Promise<BlackHole> {
    const thread = new Worker(SOURCE, { eval: true });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    thread.once('message', resolve);
    thread.once('error', reject);
    const port = await promise;
    // The backlog is full once a connection does not open at once: the system drops what comes after it.
    const fill: ReturnType<typeof connect>[] = [];
    for (;;) {
      const socket = connect({ host: '127.0.0.1', port });
      socket.on('error', () => {});
      fill.push(socket);
      const opened = new Promise<boolean>((done) => {
        socket.once('connect', () => done(true));
        setTimeout(() => done(false), 300);
      });
      if (!(await opened)) return new BlackHole(port, thread, fill);
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#fill) socket.destroy();
    await this.#thread.terminate();
  }
}
