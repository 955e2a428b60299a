import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Logger } from '../../logging/logger.ts';
import { Timed, type TimerWheel } from '../../timing/timer-wheel.ts';
import type { ClientConnection } from '../client-connection.ts';
import type { StopTimes } from '../stop-times.ts';
import { type Flood, FloodGuard } from './flood-guard.ts';
import type { FrontListener } from './front-parts.ts';
import { type RequestText, requestText } from './request-text.ts';
import { type StreamOwner, VirtualConnection } from './virtual-connection.ts';
import { webSocketKey } from './websocket-handshake.ts';

/** RFC 9113 5.1.2: what is over it is refused, and the client may try again. */
const MAX_STREAMS = 100;
/** How much a client may send on one stream before it is read: what a stalled backend costs. */
const STREAM_WINDOW = 65_535;
/** The same on the connection, which only holds what is on its way. */
const SESSION_WINDOW = 1_048_576;
/** Frames that make no sense, before the connection is closed (empty DATA frames, CVE-2019-9518, among them). */
const MAX_INVALID_FRAMES = 100;
/**
 * Resets and refused streams after which node:http2 itself drops the connection, without a word: more than come with
 * one read, so that the FloodGuard, which hears of them after each, is the one to say why.
 */
const MAX_RESETS = 10_000;
/** MiB that node:http2 may hold for one connection: all streams with full windows both ways. */
const SESSION_MEMORY = 32;
/** Time between GOAWAY and the end, for what is on its way. */
const LINGER_MS = 2_000;
/** The same for a client that floods. */
const LAST_WORDS_MS = 100;
/** Of a header list: RFC 9113 6.5.2 counts so much for each field. */
const FIELD_OVERHEAD = 32;
/** Highest id of a stream: a GOAWAY with it refuses nothing yet (RFC 9113 6.8). */
const ANY_STREAM = 2 ** 31 - 1;

interface FrontSessionParts {
  readonly socket: Socket;
  readonly wheel: TimerWheel;
  readonly log: Logger;
  readonly peer: string;
  readonly secure: boolean;
  readonly listener: FrontListener;
  serve(connection: VirtualConnection): ClientConnection;
}

/** Scratch, for as long as one call takes. */
const scratch: RequestText = { text: '', method: '', chunked: false, websocket: false };

/** An HTTP/2 connection of a client: gives each stream a virtual connection, and guards the session against floods. */
export class FrontSession extends Timed implements ClientConnection, StreamOwner {
  readonly #parts: FrontSessionParts;
  readonly #session: ServerHttp2Session;
  readonly #served = new Map<VirtualConnection, ClientConnection>();
  /** Virtual connections without a stream: the next one takes the latest. */
  readonly #free: VirtualConnection[] = [];
  readonly #guard = new FloodGuard();
  /** Null: no stop has begun. */
  #stopping: StopTimes | null = null;
  #random: () => number = Math.random;
  #closed = false;
  /** It has been told to be calm, and is about to be closed. */
  #flooded = false;

  constructor(parts: FrontSessionParts) {
    super();
    this.#parts = parts;
    const { limits, timeouts } = parts.listener.config;
    const session = performServerHandshake(parts.socket, {
      maxSessionMemory: SESSION_MEMORY,
      maxSessionInvalidFrames: MAX_INVALID_FRAMES,
      maxSessionRejectedStreams: MAX_RESETS,
      streamResetBurst: MAX_RESETS,
      streamResetRate: 33,
      // Two lines of a field that there should be one of are the backend's business.
      strictSingleValueFields: false,
      // Pseudo-header fields come on top; what is over the limit that is set gets its 431 from the parser.
      maxHeaderListPairs: limits.headers + 64,
      settings: {
        enablePush: false,
        enableConnectProtocol: true,
        maxConcurrentStreams: MAX_STREAMS,
        initialWindowSize: STREAM_WINDOW,
        maxHeaderListSize: 2 * limits.headerBytes + limits.headers * FIELD_OVERHEAD,
      },
    } as object);
    this.#session = session;
    session.setLocalWindowSize(SESSION_WINDOW);
    session.on('stream', (stream, _headers, flags, raw) => this.#onStream(stream, flags, raw));
    session.on('ping', () => this.#count('ping'));
    session.on('remoteSettings', () => this.#count('settings'));
    session.on('error', (error) => {
      parts.log.debug({ client: parts.peer, err: error }, 'HTTP/2 connection broken off');
    });
    session.on('close', () => this.#onClose());
    parts.wheel.set(this, timeouts.keepAlive);
  }

  #onStream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    // It has been reset in the same read, or nobody listens any more.
    if (stream.destroyed || stream.closed || this.#flooded) {
      stream.on('error', () => {});
      this.#count('reset');
      return;
    }
    const whole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    let key = '';
    requestText(
      raw,
      whole,
      () => {
        key = webSocketKey();
        return key;
      },
      scratch,
    );
    this.#parts.wheel.clear(this);
    (this.#free.pop() ?? this.#open()).attach(stream, scratch, whole, key);
  }

  #open(): VirtualConnection {
    const connection = new VirtualConnection(this, this.#parts.peer, this.#parts.secure);
    const served = this.#parts.serve(connection);
    this.#served.set(connection, served);
    if (this.#stopping !== null) served.stop(this.#stopping, this.#random);
    return connection;
  }

  // ---- what virtual connections tell ----

  worked(): void {
    this.#guard.worked();
  }

  freed(connection: VirtualConnection): void {
    this.#free.push(connection);
    this.#idle();
  }

  dropped(connection: VirtualConnection, reset: boolean): void {
    const at = this.#free.indexOf(connection);
    if (at >= 0) this.#free.splice(at, 1);
    this.#served.delete(connection);
    if (reset) this.#count('reset');
    this.#idle();
  }

  /** The time for the next request begins when the last one has been answered. */
  #idle(): void {
    if (this.#closed || this.#flooded || this.#served.size > this.#free.length) return;
    this.#parts.wheel.set(this, this.#stopping !== null ? LINGER_MS : this.#parts.listener.config.timeouts.keepAlive);
  }

  #count(what: Flood): void {
    if (this.#closed || this.#flooded || this.#session.destroyed) return;
    if (this.#guard.count(what, this.#parts.wheel.now)) return;
    this.#flooded = true;
    this.#parts.log.warn({ client: this.#parts.peer, flood: what }, 'HTTP/2 connection closed: it floods');
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    for (const connection of [...this.#served.keys()]) connection.destroy();
    // Closing with bytes unread would take back the GOAWAY (RFC 9113 5.4.1).
    this.#parts.wheel.set(this, LAST_WORDS_MS);
  }

  // ---- ends ----

  onDeadline(): void {
    // The time between GOAWAY and the end is over.
    if (this.#flooded || this.#session.closed) this.#session.destroy();
    else this.#goAway();
  }

  /** Takes no further stream; what is under way ends, and the connection with it. */
  #goAway(): void {
    const session = this.#session;
    if (session.closed || session.destroyed) return;
    session.close();
    this.#idle();
  }

  /** As ClientConnection has it: GOAWAY (behaviour 46), in two steps, so that no request that is on its way is lost. */
  stop(times: StopTimes, random: () => number): void {
    this.#stopping = times;
    this.#random = random;
    const session = this.#session;
    if (session.closed || session.destroyed) return;
    session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
    // Its answer comes behind all that the client sent before it knew.
    if (!session.ping(() => this.#goAway())) this.#goAway();
    for (const served of this.#served.values()) served.stop(times, random);
    this.#idle();
  }

  closeIdle(): void {
    for (const served of this.#served.values()) served.closeIdle();
  }

  get held(): number {
    let bytes = 0;
    for (const served of this.#served.values()) bytes += served.held;
    return bytes;
  }

  get stuckMs(): number {
    let most = 0;
    for (const { stuckMs } of this.#served.values()) most = Math.max(most, stuckMs);
    return most;
  }

  relieve(): void {
    if (this.#served.size === this.#free.length) this.#goAway();
  }

  shed(): void {
    this.#session.destroy();
  }

  stopNow(): void {
    for (const served of this.#served.values()) served.stopNow();
    this.#goAway();
    if (!this.#closed && !this.#flooded && this.deadline === 0) this.#parts.wheel.set(this, LINGER_MS);
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.wheel.remove(this);
    for (const connection of [...this.#served.keys()]) connection.destroy();
    this.#parts.listener.closed(this, this.#parts.peer);
  }
}
