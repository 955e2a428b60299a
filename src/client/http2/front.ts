import type { Socket } from 'node:net';
import type { ListenerConfig } from '../../config/schema.ts';
import type { Logger } from '../../logging/logger.ts';
import type { TimerWheel } from '../../timing/timer-wheel.ts';
import type { ClientConnection } from './client-connection.ts';
import { FrontSession } from './front-session.ts';
import type { VirtualConnection } from './virtual-connection.ts';

/** The listener that accepted a connection, as HTTP/2 needs it. */
export interface FrontListener {
  /** As the latest configuration has it. */
  readonly config: ListenerConfig;
  /** The connection has closed. @param peer as it was handed in */
  closed(connection: ClientConnection, peer: string): void;
}

/** Ports and address of a connection, as net.Socket has them. */
export interface FrontEnds {
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/** What is known of a connection when it is handed over. */
export interface FrontClient<L extends FrontListener = FrontListener> {
  readonly listener: L;
  /** Address of the other end as text, by the PROXY protocol where that is in use. */
  readonly peer: string;
  /** The connection is TLS. */
  readonly secure: boolean;
  /** Absent: the connection itself knows them. */
  readonly ends?: FrontEnds;
  /** Of a connection that is TLS: what its client has shown. */
  readonly certificate?: { readonly identity: string };
}

export interface FrontParts<L extends FrontListener = FrontListener> {
  readonly wheel: TimerWheel;
  readonly log: Logger;
  /** Serves a virtual connection as if a client had opened it; called before its first byte is there. */
  serve(connection: VirtualConnection, client: FrontClient<L>): ClientConnection;
}

/** HTTP/2 towards clients (RFC 9113), one a worker: each stream comes out as HTTP/1.1 on a virtual connection. */
export class Http2Front<L extends FrontListener = FrontListener> {
  readonly #parts: FrontParts<L>;

  constructor(parts: FrontParts<L>) {
    this.#parts = parts;
  }

  /**
   * Serves a connection whose client has chosen HTTP/2, by ALPN or by its preface. What was read of it already has been put back
   * with `unshift`. From here on nobody else reads from the socket.
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
