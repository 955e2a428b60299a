import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ByteSocket, SocketEvents } from '../sockets/byte-socket.ts';
import { DirectSocket } from '../sockets/direct-socket.ts';
import { NodeSocket, type NodeStream } from '../sockets/node-socket.ts';
import type { StreamHandle } from '../sockets/node-stream-handle.ts';

/**
 * What a Downstream reads from and writes to: a connection of a client, TLS or not, or a stream that is made to look
 * like one.
 */
export interface ClientSocket extends ByteSocket {
  isPaused(): boolean;
  /** Closes so that the client sees an error rather than an end: with an RST, where the connection has such a thing. */
  resetAndDestroy(): unknown;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/** As Node makes it, or as what is made to look like it, or nothing but Node's handle of the connection. */
export type Accepted = NodeStream | StreamHandle;

/** Has what happens to an accepted connection told to `events`: without net.Socket, where it is one. It is paused. */
export function toClientSocket(accepted: Accepted, events: SocketEvents): ClientSocket {
  if (!('pause' in accepted)) return new DirectSocket(accepted, events);
  if (accepted instanceof Socket && !(accepted instanceof TLSSocket)) {
    const direct = DirectSocket.over(accepted, events);
    if (direct !== null) return direct;
  }
  const wrapped = new NodeSocket(accepted, events);
  wrapped.watch();
  return wrapped;
}
