import type { BackendSocket, SocketEvents } from './backend-socket.ts';
import type { Exchange } from './exchange.ts';

/** Opens the connections of one worker to one backend that is spoken to in another way than HTTP/1.1 over plain TCP. */
export interface BackendDialer {
  /** A connection for this exchange and, where `shares` says so, for later ones. */
  dial(x: Exchange, events: SocketEvents): BackendSocket;
  /** Closes what carries no exchange. False: there was nothing. */
  closeIdle(): boolean;
}
