import type { ByteSocket, SocketEvents } from '../sockets/byte-socket.ts';
import { Timed, type TimerWheel } from '../timing/timer-wheel.ts';
import type { CloseReason } from '../websocket/websocket-close.ts';
import type { WebSocketTunnel } from '../websocket/websocket-tunnel.ts';
import { TunnelEnd } from './tunnel-end.ts';

/**
 * What a tunnel goes through: both connections are open, then one of them has closed and the other one is being closed,
 * then both have.
 */
const Phase = { open: 0, clientLingers: 1, backendLingers: 2, closed: 3 } as const;

/** Time for a peer to read the last words, or to answer a Close frame, before its connection is cut. */
const LINGER_MS = 2_000;

/** A connection that a tunnel takes over. */
export interface TunnelSide {
  readonly socket: ByteSocket;
  /** How long the peer may take nothing of what is left for it once the other side is gone, ms. */
  readonly lastMs: number;
  /**
   * The connection has closed, or is being destroyed by the tunnel. Called once.
   * @param lost the peer has ended or broken it off, which was not the tunnel's doing
   */
  onClosed(lost: boolean): void;
}

/** Bytes that came from the client, and bytes that went to it. */
interface TunnelCounts {
  bytesIn: number;
  bytesOut: number;
}

/** Told what becomes of a tunnel. */
export interface TunnelEvents {
  /**
   * One connection has closed, and the other one is about to be closed. Called once, unless the tunnel was abandoned.
   */
  onTunnelEnd(why: TunnelEnd): void;
  /** Something that cannot happen happened. */
  onTunnelDefect(error: unknown): void;
}

/** What a tunnel is made of. */
interface TunnelParts {
  readonly client: TunnelSide;
  readonly backend: TunnelSide;
  readonly wheel: TimerWheel;
  /** Without a byte in either direction for so long, ms, it ends; 0: it does not. */
  readonly idleMs: number;
  readonly counts: TunnelCounts;
  /** Of a tunnel that carries a WebSocket: what it takes to close it as one; null: bytes pass unseen. */
  readonly websocket: WebSocketTunnel | null;
  readonly events: TunnelEvents;
}

/**
 * Two connections of which each gets what the other one sends, as it comes (behaviour 60). A side that takes nothing
 * stops the other one from being read; FIN is passed on, and the other direction goes on. When one connection has
 * closed, the other one is closed behind what is on its way to it; a reset is passed on at once.
 */
export class Tunnel extends Timed {
  readonly #parts: TunnelParts;
  readonly #client: ByteSocket;
  readonly #backend: ByteSocket;
  #phase: number = Phase.open;
  #lastByteAt: number;
  /** Since when the client takes nothing of what waits for it, by the wheel; 0: nothing waits. */
  #stuckSince = 0;
  /** The backend's connection has closed, or is destroyed. */
  #backendGone = false;
  /** The backend has ended its side by itself. */
  #backendEnded = false;
  /** Why the client's connection is being destroyed; null: it is not. */
  #why: TunnelEnd | null = null;

  /** Takes both connections over from who had them; the client's is read from `begin` on. */
  constructor(parts: TunnelParts) {
    super();
    this.#parts = parts;
    this.#client = parts.client.socket;
    this.#backend = parts.backend.socket;
    this.#lastByteAt = parts.wheel.now;
    this.#client.handTo(new FromClient(this));
    this.#backend.handTo(new FromBackend(this));
    parts.wheel.limit(this, parts.idleMs);
  }

  /**
   * Lets bytes flow.
   * @param early of the client, read before the tunnel was there; null: none
   * @param ended the client has sent FIN behind them
   */
  begin(early: Buffer | null, ended: boolean): void {
    if (early !== null) this.fromClient(early, early.length);
    if (ended) this.clientEnded();
    this.#client.resume();
  }

  /** Bytes that the backend has not taken. */
  get unsent(): number {
    return this.#backend.writableLength;
  }

  /** For how long the client has taken nothing of what waits for it, ms. */
  get stuckMs(): number {
    return this.#stuckSince === 0 ? 0 : this.#parts.wheel.now - this.#stuckSince;
  }

  // ---- bytes ----

  /** The client has sent bytes[0, size). False: the backend reads slowly. */
  fromClient(bytes: Buffer, size: number): boolean {
    if (this.#phase !== Phase.open) return true;
    const { counts, wheel, websocket } = this.#parts;
    this.#lastByteAt = wheel.now;
    counts.bytesIn += size;
    const backend = this.#backend;
    if (websocket === null) backend.writeCopy(bytes, 0, size);
    else {
      const end = websocket.fromClient.pass(bytes, 0, size);
      if (end > 0) backend.writeCopy(bytes, 0, end);
      if (websocket.goingAway) {
        websocket.step(this.#client, backend);
        if (websocket.fromClient.done) return true;
      }
    }
    return backend.writableLength < backend.writableHighWaterMark;
  }

  /** The backend has sent bytes[from, to). False: the client reads slowly. */
  fromBackend(bytes: Buffer, from: number, to: number): boolean {
    if (this.#phase !== Phase.open) return true;
    const { counts, wheel, websocket } = this.#parts;
    this.#lastByteAt = wheel.now;
    const client = this.#client;
    const end = websocket === null ? to : websocket.fromBackend.pass(bytes, from, to);
    if (end > from) {
      counts.bytesOut += end - from;
      client.writeCopy(bytes, from, end);
    }
    if (websocket?.goingAway) websocket.step(client, this.#backend);
    if (client.writableLength < client.writableHighWaterMark) return true;
    if (this.#stuckSince === 0) this.#stuckSince = wheel.now;
    return websocket?.fromBackend.done ?? false;
  }

  /** The client has taken all that it was sent. */
  clientDrained(): void {
    this.#stuckSince = 0;
    if (this.#phase !== Phase.open) return;
    this.#lastByteAt = this.#parts.wheel.now;
    this.#backend.resume();
  }

  backendDrained(): void {
    if (this.#phase === Phase.open) this.#client.resume();
  }

  // ---- ends ----

  /** The client has sent FIN. */
  clientEnded(): void {
    if (this.#phase !== Phase.open) return;
    const { websocket } = this.#parts;
    websocket?.clientEnds();
    if (websocket?.goingAway) websocket.step(this.#client, this.#backend);
    else this.#backend.end();
  }

  backendEnded(): void {
    this.#backendEnded = true;
    if (this.#phase === Phase.backendLingers) return this.#destroyBackend();
    if (this.#phase !== Phase.open) return;
    const { websocket } = this.#parts;
    websocket?.backendEnds();
    if (websocket?.goingAway) websocket.step(this.#client, this.#backend);
    else this.#client.end();
  }

  clientClosed(error: NodeJS.ErrnoException | null): void {
    const { client, backend, wheel, websocket, events } = this.#parts;
    if (this.#phase === Phase.open) {
      const told = websocket?.clientClosed(this.#client, this.#backend) ?? false;
      // After a FIN of both sides what is still on its way to the backend gets there; after an RST nobody wants it.
      if (this.#backendGone || (error !== null && !told)) this.#destroyBackend();
      else {
        this.#phase = Phase.backendLingers;
        wheel.set(this, told ? LINGER_MS : backend.lastMs);
        if (told) {
          // It is going to answer a Close frame: closing before it has could undo that frame with a reset.
          this.#backend.end();
          this.#backend.resume();
        } else this.#backend.destroySoon();
      }
      events.onTunnelEnd(this.#why ?? (error === null ? TunnelEnd.client : TunnelEnd.clientReset));
    } else if (this.#phase === Phase.clientLingers) this.#finish();
    client.onClosed(this.#why === null);
  }

  backendClosed(error: NodeJS.ErrnoException | null): void {
    const { client, wheel, websocket, events } = this.#parts;
    if (this.#phase !== Phase.open) {
      if (this.#phase === Phase.backendLingers) this.#finish();
      return this.#tellBackendClosed(this.#backendEnded);
    }
    this.#tellBackendClosed(true);
    // The client has been told that its WebSocket goes away, and has not answered yet.
    if (websocket?.backendClosed(this.#client, this.#backend)) return;
    this.#phase = Phase.clientLingers;
    wheel.set(this, this.#client.writableLength === 0 ? LINGER_MS : client.lastMs);
    events.onTunnelEnd(error === null ? TunnelEnd.backend : TunnelEnd.backendReset);
    if (error === null) this.#client.destroySoon();
    else this.#client.destroy();
  }

  #tellBackendClosed(lost: boolean): void {
    if (this.#backendGone) return;
    this.#backendGone = true;
    this.#parts.backend.onClosed(lost);
  }

  #destroyBackend(): void {
    this.#finish();
    this.#backend.destroy();
    this.#tellBackendClosed(this.#backendEnded);
  }

  #finish(): void {
    this.#phase = Phase.closed;
    this.#parts.wheel.remove(this);
  }

  /**
   * A tunnel that carries a WebSocket begins to close, as WebSocketTunnel has it; any other goes on. False: it is
   * another one.
   */
  goAway(urgent: boolean, reason: CloseReason): boolean {
    const { websocket } = this.#parts;
    if (websocket === null || this.#phase !== Phase.open) return false;
    websocket.goAway(urgent, reason, this.#client, this.#backend);
    return true;
  }

  /** Ends it at once, whatever is on its way to the client. */
  cut(): void {
    this.#why ??= TunnelEnd.cut;
    this.#client.destroy();
  }

  /** Closes the backend's connection and tells nothing but that: the client's is its owner's to close. */
  abandon(): void {
    if (this.#phase === Phase.open || this.#phase === Phase.backendLingers) this.#destroyBackend();
  }

  onDeadline(): void {
    const { wheel, idleMs } = this.#parts;
    switch (this.#phase) {
      case Phase.open: {
        const left = this.#lastByteAt + idleMs - wheel.due;
        if (left > 0) return wheel.set(this, left);
        this.#why ??= TunnelEnd.idle;
        this.#client.destroy();
        break;
      }
      case Phase.clientLingers:
        this.#client.destroy();
        break;
      default:
        this.#destroyBackend();
        break;
    }
  }

  defect(error: unknown): void {
    this.#parts.events.onTunnelDefect(error);
  }
}

/** What happens to the client's connection. */
class FromClient implements SocketEvents {
  readonly #tunnel: Tunnel;

  constructor(tunnel: Tunnel) {
    this.#tunnel = tunnel;
  }

  onBytes(size: number, bytes: Buffer): boolean {
    try {
      return this.#tunnel.fromClient(bytes, size);
    } catch (error) {
      this.#tunnel.defect(error);
      return false;
    }
  }

  onEnd(): void {
    try {
      this.#tunnel.clientEnded();
    } catch (error) {
      this.#tunnel.defect(error);
    }
  }

  onDrain(): void {
    this.#tunnel.clientDrained();
  }

  onClose(error: NodeJS.ErrnoException | null): void {
    try {
      this.#tunnel.clientClosed(error);
    } catch (defect) {
      this.#tunnel.defect(defect);
    }
  }
}

/** What happens to the backend's. */
class FromBackend implements SocketEvents {
  readonly #tunnel: Tunnel;

  constructor(tunnel: Tunnel) {
    this.#tunnel = tunnel;
  }

  onBytes(size: number, bytes: Buffer): boolean {
    try {
      return this.#tunnel.fromBackend(bytes, 0, size);
    } catch (error) {
      this.#tunnel.defect(error);
      return false;
    }
  }

  onEnd(): void {
    try {
      this.#tunnel.backendEnded();
    } catch (error) {
      this.#tunnel.defect(error);
    }
  }

  onDrain(): void {
    this.#tunnel.backendDrained();
  }

  /** What came before it took nothing more is passed on first. */
  onWriteFailed(): boolean {
    return true;
  }

  onClose(error: NodeJS.ErrnoException | null): void {
    try {
      this.#tunnel.backendClosed(error);
    } catch (defect) {
      this.#tunnel.defect(defect);
    }
  }
}
