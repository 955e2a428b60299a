import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { SocketEvents } from '../../src/sockets/byte-socket.ts';
import { DirectSocket } from '../../src/sockets/direct-socket.ts';
import { startSockets } from '../../src/sockets/start-sockets.ts';
import { threadSockets } from '../../src/sockets/thread-sockets.ts';

/** A connection with a DirectSocket at one end, which does not read yet. */
export interface DirectPair {
  readonly direct: DirectSocket;
  readonly peer: Socket;
}

const NONE: SocketEvents = { onBytes: () => true, onEnd: () => {}, onDrain: () => {}, onClose: () => {} };

/** Makes connections over a server of its own. The thread's sockets are started where they are not. */
export class DirectPairs {
  readonly #server: Server;

  static async listen(): Promise<DirectPairs> {
    if (threadSockets.readiness === null) await startSockets('auto');
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new DirectPairs(server);
  }

  private constructor(server: Server) {
    this.#server = server;
  }

  async open(events: Partial<SocketEvents>): Promise<DirectPair> {
    const peer = connect((this.#server.address() as AddressInfo).port, '127.0.0.1');
    const [accepted] = (await once(this.#server, 'connection')) as [Socket];
    return { direct: DirectSocket.over(accepted, { ...NONE, ...events })!, peer };
  }

  async openMany(count: number, eventsOf: (n: number) => Partial<SocketEvents>): Promise<DirectPair[]> {
    const pairs: DirectPair[] = [];
    for (let n = 0; n < count; n++) pairs.push(await this.open(eventsOf(n)));
    return pairs;
  }

  /** Connections that are open stay so. */
  close(): void {
    this.#server.close();
  }
}
