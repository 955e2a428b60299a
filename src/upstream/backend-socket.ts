import type { ByteSocket } from '../sockets/byte-socket.ts';

/**
 * A connection to a backend, or a stream of an HTTP/2 session that is made to look like one: HTTP/1.1 bytes go in and
 * come out.
 */
export interface BackendSocket extends ByteSocket {
  /** It is not open yet: all that can be done with it is to destroy it. */
  readonly connecting: boolean;
}
