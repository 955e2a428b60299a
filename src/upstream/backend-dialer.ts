import type { DialRequest } from '../exchange/dial-request.ts';
import type { OpeningEvents } from '../sockets/byte-socket.ts';
import type { BackendSocket } from './backend-socket.ts';

/** Opens the connections of one worker to one backend that is spoken to in another way than HTTP/1.1 over plain TCP. */
export interface BackendDialer {
  /** A connection for this exchange. */
  dial(x: DialRequest, events: OpeningEvents): BackendSocket;
  /** Whether `dial` would open no connection for this exchange, as there is one that carries several. */
  isOpen(x: DialRequest): boolean;
  /**
   * What a connection for this exchange begins with before anything else, as latin1 text: one that began otherwise is
   * of no use for it.
   */
  preamble(x: DialRequest): string;
  /** Closes what it keeps open for later. False: there was nothing. */
  closeIdle(): boolean;
}
