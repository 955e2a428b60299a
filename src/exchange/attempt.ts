import type { CloseReason } from '../websocket/websocket-close.ts';

/** The connection to a backend that carries an exchange, as the exchange and its client's side see it. */
export interface Attempt {
  /** Bytes of a request, or of a tunnel, that the backend has not taken. */
  readonly unsent: number;
  /** More of a request body that is not kept can be handed to `sendCopy`. */
  readonly takesCopies: boolean;
  /** Sends what has come of the request's body. */
  sendBody(): void;
  /** As sendBody, of bytes that are not in the exchange: only when `takesCopies`. */
  sendCopy(bytes: Buffer, from: number, end: number): void;
  /**
   * Called while `onResponse` runs: this response brings the rest of one that broke, whose head the client has (behaviour 50).
   * @param left bytes to come; the client counts on them, however this backend frames them
   */
  continueBody(left: number): void;
  /** The client has taken what was sent to it: the response comes again. */
  resume(): void;
  /** The client has left, or the attempt is given up: nothing of this connection can be used again. */
  abandon(): void;
  /** Passes bytes[0, size) of the client's side of a tunnel on; they are copied. False: the backend reads slowly. */
  writeTunnel(bytes: Buffer, size: number): boolean;
  /** The client's side of a tunnel has sent FIN: passed on (behaviour 60). */
  endTunnel(): void;
  /** A tunnel that carries a WebSocket begins to close; any other goes on. False: it is another one. */
  goAway(urgent: boolean, reason: CloseReason): boolean;
  /** The client's connection is gone: so is this one, and the exchange is over. */
  clientClosed(reset: boolean): void;
  /** No byte in either direction for the tunnel timeout. */
  tunnelIdle(): boolean;
}
