import { CloseReason, closeToBackend, closeToClient } from './websocket-close.ts';
import { WebSocketFlow } from './websocket-flow.ts';

/** A connection of a tunnel, as a WebSocket that goes away needs it. */
interface WebSocketPeer {
  write(data: string | Buffer, encoding?: 'latin1'): unknown;
  /** Sends FIN. */
  end(): unknown;
  /** Reads on, if it was stopped. */
  resume(): unknown;
}

/**
 * A WebSocket that passes through, and how limpet closes it, at a graceful stop (behaviour 46) or when its session has
 * ended: Close frames to both peers, each at the next boundary of its direction. Behind it nothing more goes to that
 * peer, and its own Close frame, the answer, is not passed on; then its connection ends with FIN. The two peers do not
 * wait for each other.
 */
export class WebSocketTunnel {
  readonly fromClient = new WebSocketFlow(true);
  readonly fromBackend = new WebSocketFlow(false);
  goingAway = false;
  #reason: CloseReason = CloseReason.goingAway;
  #clientEnded = false;
  #backendEnded = false;

  /**
   * Begins to close it, unless a peer has begun to by itself or does not keep to the framing: such a one is left alone.
   * Called again with `urgent` when the time gets short: then the end of a frame will do where the end of a message has
   * not come.
   */
  goAway(urgent: boolean, reason: CloseReason, client: WebSocketPeer, backend: WebSocketPeer): void {
    const { fromClient, fromBackend } = this;
    if (!this.goingAway) {
      const busy = this.#clientEnded || this.#backendEnded || !fromClient.closable || !fromBackend.closable;
      if (busy) return;
      this.goingAway = true;
      this.#reason = reason;
    }
    fromClient.close(urgent);
    fromBackend.close(urgent);
    this.step(client, backend);
  }

  /**
   * Of a WebSocket that goes away: does what has come due since the last time. Called after each event on either side.
   */
  step(client: WebSocketPeer, backend: WebSocketPeer): void {
    const { fromClient, fromBackend } = this;
    if (fromClient.takeClose()) backend.write(closeToBackend(this.#reason));
    if (fromBackend.takeClose()) client.write(closeToClient(this.#reason), 'latin1');
    // What a peer still sends is dropped: that the other one reads slowly, or is gone, must not keep its answer from
    // being read.
    if (fromClient.done) client.resume();
    if (fromBackend.done) backend.resume();
    if (fromClient.done && (fromClient.brokenOff || fromBackend.senderClosed || this.#backendEnded)) backend.end();
    if (fromBackend.done && (fromBackend.brokenOff || fromClient.senderClosed || this.#clientEnded)) client.end();
  }

  /** The client has sent FIN, or its connection is closed. */
  clientEnds(): void {
    this.#clientEnded = true;
    if (this.goingAway) this.fromClient.end();
  }

  /** The backend has sent FIN, or its connection is closed. */
  backendEnds(): void {
    this.#backendEnded = true;
    if (this.goingAway) this.fromBackend.end();
  }

  /**
   * The client's connection is closed.
   * @returns whether the backend has been told that the WebSocket goes away: then its connection ends by itself
   */
  clientClosed(client: WebSocketPeer, backend: WebSocketPeer): boolean {
    this.clientEnds();
    if (!this.goingAway) return false;
    this.fromBackend.drop();
    this.step(client, backend);
    return !this.fromClient.brokenOff;
  }

  /**
   * The backend's connection is closed.
   * @returns whether the client has been told that the WebSocket goes away and has not answered yet
   */
  backendClosed(client: WebSocketPeer, backend: WebSocketPeer): boolean {
    this.backendEnds();
    if (!this.goingAway) return false;
    this.fromClient.drop();
    this.step(client, backend);
    return !this.fromBackend.brokenOff && !this.fromClient.senderClosed && !this.#clientEnded;
  }
}
