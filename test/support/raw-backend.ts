import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** One connection that a RawBackend has got. */
export interface BackendConnection {
  readonly socket: Socket;
  /** All bytes received so far, as latin1 text. */
  text: string;
}

/**
 * A backend that records every byte it gets and answers by a function: called on each read with the connection,
 * it writes what it likes. Nothing is parsed.
 */
export class RawBackend {
  readonly connections: BackendConnection[] = [];
  /** Called on each read. */
  answer: (connection: BackendConnection) => void;
  readonly #server: Server;
  port = 0;

  private constructor(answer: (connection: BackendConnection) => void) {
    this.answer = answer;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const connection: BackendConnection = { socket, text: '' };
      this.connections.push(connection);
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        connection.text += bytes.toString('latin1');
        this.answer(connection);
      });
      socket.on('end', () => socket.end());
    });
  }

  /** @param port 0: any free one */
  static async start(answer: (connection: BackendConnection) => void, port = 0): Promise<RawBackend> {
    const backend = new RawBackend(answer);
    backend.#server.listen(port, '127.0.0.1');
    await once(backend.#server, 'listening');
    backend.port = (backend.#server.address() as AddressInfo).port;
    return backend;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Everything that any connection has received, in order of the connections. */
  get text(): string {
    return this.connections.map(({ text }) => text).join('');
  }

  async stop(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close').catch(() => {});
  }
}
