import type { EventEmitter } from 'node:events';
import type { ByteSocket, SocketEvents } from './byte-socket.ts';
import { connectionBelow } from './connection-below.ts';
import { TEXT_BYTES } from './text-bytes.ts';

/** What a NodeSocket uses of a Duplex of Node's, or of what is made to look like one. */
export interface NodeStream extends EventEmitter {
  /** It is not open yet. */
  readonly connecting?: boolean;
  readonly destroyed: boolean;
  readonly writableLength: number;
  readonly writableHighWaterMark: number;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  isPaused(): boolean;
  pause(): unknown;
  resume(): unknown;
  write(data: string | Buffer, encoding?: 'latin1'): unknown;
  cork(): void;
  uncork(): void;
  end(done?: () => void): unknown;
  destroy(): unknown;
  destroySoon(): void;
  /** Closes so that the other side sees an error; may throw where that cannot be done (a unix socket). */
  resetAndDestroy(): unknown;
}

/** The other side has broken the connection off, and Node has not said more. */
const RESET: NodeJS.ErrnoException = Object.assign(new Error('reset by the other side'), { code: 'ECONNRESET' });

/** A stream of Node's as a ByteSocket: TLS, HTTP/2, and TCP where Node has no handle that can be used directly. */
export class NodeSocket implements ByteSocket {
  readonly #stream: NodeStream;
  #events: SocketEvents;

  /** Tells nothing before `watch` or `watchEnds`. */
  constructor(stream: NodeStream, events: SocketEvents) {
    this.#stream = stream;
    this.#events = events;
  }

  /** Has all events of the stream told, also what it reads; it is paused. */
  watch(): void {
    const stream = this.#stream;
    stream.pause();
    stream.on('data', (bytes: Buffer) => {
      if (!this.take(bytes.length, bytes)) stream.pause();
    });
    this.watchEnds();
  }

  /** As `watch`, without what the stream reads: that is brought to `take`. */
  watchEnds(): void {
    const stream = this.#stream;
    let why: NodeJS.ErrnoException | null = null;
    stream.on('end', () => this.#events.onEnd());
    stream.on('drain', () => this.#events.onDrain());
    stream.on('error', (error: NodeJS.ErrnoException) => {
      why = error;
    });
    stream.on('close', (hadError = false) => this.#events.onClose(why ?? (hadError === true ? RESET : null)));
  }

  /** The stream has read bytes[0, size). False: it is to stop until `resume`. */
  take(size: number, bytes: Buffer): boolean {
    return this.#events.onBytes(size, bytes);
  }

  onWriteFailed(whole: boolean): boolean {
    return this.#events.onWriteFailed?.(whole) ?? false;
  }

  handTo(events: SocketEvents): void {
    this.#events = events;
  }

  get connecting(): boolean {
    return this.#stream.connecting === true;
  }

  get destroyed(): boolean {
    return this.#stream.destroyed;
  }

  get writableLength(): number {
    return this.#stream.writableLength;
  }

  get writableHighWaterMark(): number {
    return this.#stream.writableHighWaterMark;
  }

  get remotePort(): number | undefined {
    return this.#stream.remotePort;
  }

  get localAddress(): string | undefined {
    return this.#stream.localAddress;
  }

  get localPort(): number | undefined {
    return this.#stream.localPort;
  }

  isPaused(): boolean {
    return this.#stream.isPaused();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** What lies in the system, or encrypted in front of it, cannot be looked at. */
  look(): boolean {
    return false;
  }

  write(data: string | Buffer, encoding?: 'latin1'): void {
    this.#stream.write(data, encoding);
  }

  writeCopy(bytes: Buffer, start: number, end: number, before = ''): void {
    const stream = this.#stream;
    if (before === '') return this.#writeCopy(bytes, start, end);
    stream.cork();
    stream.write(before, 'latin1');
    this.#writeCopy(bytes, start, end);
    stream.uncork();
  }

  #writeCopy(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    if (size <= 0) return;
    if (size <= TEXT_BYTES) {
      this.#stream.write(bytes.latin1Slice(start, end), 'latin1');
      return;
    }
    const copy = Buffer.allocUnsafeSlow(size);
    bytes.copy(copy, 0, start, end);
    this.#stream.write(copy);
  }

  cork(): void {
    this.#stream.cork();
  }

  uncork(): void {
    this.#stream.uncork();
  }

  end(done?: () => void): void {
    this.#stream.end(done);
  }

  destroy(): void {
    this.#stream.destroy();
  }

  destroySoon(): void {
    this.#stream.destroySoon();
  }

  /** Resets the connection below, where it is TLS; without one that can be reset, closes in the usual way. */
  resetAndDestroy(): void {
    try {
      connectionBelow(this.#stream).resetAndDestroy();
    } catch {
      // ERR_INVALID_HANDLE_TYPE: there is no TCP underneath.
    }
    this.#stream.destroy();
  }
}
