import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Connections at once. */
const MOST = 512;
/** Besides these, for those who ask how limpet is. */
const KEPT = 64;
const KEPT_FOR = new Set(['/healthz', '/readyz', '/metrics']);

/**
 * Who may be connected to the admin address. A connection on which no request is under way makes room for a new one,
 * the one that has been silent longest first: so nobody takes the others' places by saying nothing, nor by not reading
 * what was answered. Where all are in use by requests, such as event streams, there are some more for probes and
 * metrics alone.
 */
export class AdminPlaces {
  readonly #open = new Set<Socket>();
  /** Those without a request, the longest silent first. */
  readonly #silent = new Set<Socket>();

  /** To be made before it listens. */
  constructor(server: Server) {
    server.maxConnections = MOST + 2 * KEPT;
    server.on('connection', (socket) => this.#enter(socket));
  }

  /** A request has come. False: there is no place for it, as all are in use by others. */
  begins(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request;
    this.#silent.delete(socket);
    response.once('close', () => {
      if (this.#open.has(socket)) this.#silent.add(socket);
    });
    if (this.#open.size <= MOST) return true;
    // Such a place is for one answer.
    response.shouldKeepAlive = false;
    const path = request.url ?? '';
    const query = path.indexOf('?');
    return KEPT_FOR.has(query < 0 ? path : path.slice(0, query));
  }

  /** Its request has its whole answer: what is left is to be read by the other end. */
  answered({ socket }: IncomingMessage): void {
    if (this.#open.has(socket)) this.#silent.add(socket);
  }

  #enter(socket: Socket): void {
    this.#open.add(socket);
    this.#silent.add(socket);
    socket.once('close', () => this.#forget(socket));
    if (this.#open.size <= MOST) return;
    const [oldest] = this.#silent;
    // With none but itself the places that are kept are being used.
    if (oldest !== socket || this.#open.size > MOST + KEPT) {
      this.#forget(oldest!);
      oldest!.destroy();
    }
  }

  #forget(socket: Socket): void {
    this.#open.delete(socket);
    this.#silent.delete(socket);
  }
}
