import type { Tunnel, TunnelSide } from '../tunnel/tunnel.ts';
import type { CloseReason } from '../websocket/websocket-close.ts';

/** What an exchange sees of the connection that carries its attempt at a backend. */
export interface Attempt {
  /** Bytes of the request, or of a tunnel, that the backend has not taken. */
  readonly unsent: number;
  /** More of a request body that is not kept can be handed to `sendCopy`. */
  readonly takesCopies: boolean;
  /** More of the request body has come, and lies in the exchange. */
  sendBody(): void;
  /** As `sendBody`, of bytes that are not in the exchange and are copied: only when `takesCopies`. */
  sendCopy(bytes: Buffer, from: number, end: number): void;
  /** Reads on after the client has taken what it was sent. */
  resume(): void;
  /**
   * Called while `AttemptEvents.onResponse` runs: this response brings the rest of one that broke, whose head the
   * client has (behaviour 50).
   * @param left bytes to come; the client counts on them, however this backend frames them
   */
  continueBody(left: number): void;
  /**
   * Called while `AttemptEvents.onSwitch` runs: both connections are a tunnel from here on, whose bytes flow from
   * `begin` on.
   */
  tunnel(client: TunnelSide): Tunnel;
  /**
   * Begins to close a tunnel that carries a WebSocket, as WebSocketTunnel has it. False: it is another one, which goes
   * on.
   */
  goAway(urgent: boolean, reason: CloseReason): boolean;
  /** The client has left, or the attempt is given up: nothing of its connection can be used again. */
  abandon(): void;
}
