import { CloseReason, closeToBackend, closeToClient } from './websocket-close.ts';
import { WebSocketFlow } from './websocket-flow.ts';

/** The client's connection of a tunnel, as a WebSocket that goes away needs it. */
export interface ClientEnd {
  put(text: string): void;
  flush(): boolean;
  /** Sends FIN. */
  endTunnel(): void;
  /** Reads on, if it was stopped. */
  resumeTunnel(): void;
}

/** The backend's connection of a tunnel, likewise. */
export interface BackendEnd {
  write(bytes: Buffer): void;
  end(): void;
  resume(): void;
}

/**
 * A WebSocket that passes through, and how limpet closes it, at a graceful stop (behaviour 46) or when its session has ended: Close frames to both
 * peers, each at the next boundary of its direction. Behind it nothing more goes to that peer, and its own Close frame, the answer,
 * is not passed on; then its connection ends with FIN. The two peers do not wait for each other.
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
   * Called again with `urgent` when the time gets short: then the end of a frame will do where the end of a message has not come.
   */
  goAway(urgent: boolean, reason: CloseReason, client: ClientEnd, backend: BackendEnd): void {
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

  /** Of a WebSocket that goes away: does what has come due since the last time. Called after each event on either side. */
  step(client: ClientEnd, backend: BackendEnd): void {
    const { fromClient, fromBackend } = this;
    if (fromClient.takeClose()) backend.write(closeToBackend(this.#reason));
    if (fromBackend.takeClose()) {
      client.put(closeToClient(this.#reason));
      client.flush();
    }
    // What a peer still sends is dropped: that the other one reads slowly, or is gone, must not keep its answer from being read.
    if (fromClient.done) client.resumeTunnel();
    if (fromBackend.done) backend.resume();
    if (fromClient.done && (fromClient.brokenOff || fromBackend.senderClosed || this.#backendEnded)) backend.end();
    if (fromBackend.done && (fromBackend.brokenOff || fromClient.senderClosed || this.#clientEnded)) client.endTunnel();
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
  clientClosed(client: ClientEnd, backend: BackendEnd): boolean {
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
  backendClosed(client: ClientEnd, backend: BackendEnd): boolean {
    this.backendEnds();
    if (!this.goingAway) return false;
    this.fromClient.drop();
    this.step(client, backend);
    return !this.fromBackend.brokenOff && !this.fromClient.senderClosed && !this.#clientEnded;
  }
}
