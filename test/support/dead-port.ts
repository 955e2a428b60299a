import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A port of this machine that refuses connections, and that nobody else can begin to listen on: a connection has it at
 * its other end.
 */
export class DeadPort {
  readonly port: number;
  readonly #server: Server;
  readonly #socket: Socket;

  private constructor(server: Server, socket: Socket) {
    this.port = socket.localPort!;
    this.#server = server;
    this.#socket = socket;
  }

  static async open(): Promise<DeadPort> {
    const server = createServer((socket) => void socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
    await once(socket, 'connect');
    return new DeadPort(server, socket);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
