import type { Socket } from 'node:net';
import type { ClientConnection } from '../client-connection.ts';
import type { FrontClient, FrontListener, FrontParts } from './front-parts.ts';
import { FrontSession } from './front-session.ts';

/** HTTP/2 towards clients (RFC 9113), one a worker: each stream comes out as HTTP/1.1 on a virtual connection. */
export class Http2Front<L extends FrontListener = FrontListener> {
  readonly #parts: FrontParts<L>;

  constructor(parts: FrontParts<L>) {
    this.#parts = parts;
  }

  /**
   * Serves a connection whose client has chosen HTTP/2, by ALPN or by its preface. What was read of it already has been
   * put back with `unshift`. From here on nobody else reads from the socket.
   * @returns to be stopped with the listener; `listener.closed` is called with it once, at its end
   */
  accept(socket: Socket, client: FrontClient<L>): ClientConnection {
    const { wheel, log } = this.#parts;
    // Asked now: node:http2 takes the socket over.
    const { remotePort, localAddress, localPort } = client.ends ?? socket;
    const known = { ...client, ends: { remotePort, localAddress, localPort } };
    return new FrontSession({
      socket,
      wheel,
      log,
      peer: client.peer,
      secure: client.secure,
      listener: client.listener,
      serve: (connection) => this.#parts.serve(connection, known),
    });
  }
}
