import type { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ByteSocket, SocketEvents } from '../sockets/byte-socket.ts';
import { DirectSocket } from '../sockets/direct-socket.ts';
import { tellAll } from '../sockets/node-socket.ts';
import type { StreamHandle } from '../sockets/node-stream-handle.ts';

/** What a Downstream reads from and writes to: a connection of a client, TLS or not, or a stream that is made to look like one. */
export interface ClientSocket extends ByteSocket {
  isPaused(): boolean;
  /** Closes at once so that the other side sees an error; may throw where that cannot be done (a unix socket). */
  resetAndDestroy(): unknown;
}

/** A TLSSocket knows the connection it was made on; not documented, and the same since Node 0.12. */
interface OnTop {
  readonly _parent?: ClientSocket | null;
}

/** The connection that a TLS socket was made on; the socket itself when it is no TLS. */
export function connectionBelow(socket: ClientSocket): ClientSocket {
  return (socket as OnTop)._parent ?? socket;
}

/** Closes so that the client sees an error rather than an end: with an RST, where the connection has such a thing. */
export function resetConnection(socket: ClientSocket): void {
  try {
    connectionBelow(socket).resetAndDestroy();
  } catch {
    // ERR_INVALID_HANDLE_TYPE: there is no TCP underneath.
  }
  socket.destroy();
}

/** As Node makes it, or as what is made to look like it, or nothing but Node's handle of the connection. */
export type Accepted = (ClientSocket & EventEmitter) | StreamHandle;

/** Has what happens to an accepted connection told to `events`: without net.Socket, where it is one. It is paused. */
export function directly(accepted: Accepted, events: SocketEvents): ClientSocket {
  if (!('pause' in accepted)) return new DirectSocket(accepted, events);
  if (accepted instanceof Socket && !(accepted instanceof TLSSocket)) {
    const direct = DirectSocket.over(accepted, events);
    if (direct !== null) return direct;
  }
  tellAll(accepted, events);
  return accepted;
}
