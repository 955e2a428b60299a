import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  type ClientSessionRequestOptions,
  connect,
  constants,
} from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Deadline } from '../../timing/deadline.ts';

/** Streams at once until the backend has said how many it takes (RFC 9113 6.5.2 recommends no less than this). */
const STREAMS_AT_FIRST = 100;
/**
 * More than these go on another connection even where the backend would take them: one connection is one TCP window.
 */
const MOST_STREAMS = 1_000;
/** A session that carries nothing is closed after this time. */
const IDLE_MS = 30_000;
/**
 * A request without an answer for so long, on a session that has been silent all the while, makes the session suspect.
 */
const SILENT_MS = 1_000;
/** A suspect session has this time to answer a PING. */
const PING_MS = 5_000;
/** So much of a response may be on its way to a client that reads slowly. */
const STREAM_WINDOW = 131_072;
/** For all streams together: never the limit, as Node gives back what it has taken off the connection at once. */
const SESSION_WINDOW = 4_194_304;
const MOST_HEADER_BYTES = 262_144;
/** As the HTTP/1.1 side takes (Upstream). */
const MOST_FIELDS = 1_000;
/** Request heads larger than the listeners' limit cannot come: 1 MiB and what limpet adds. */
const MOST_REQUEST_HEAD = 1_200_000;

/** Someone with a stream on a session. */
export interface SessionUser {
  /** The session is open now. */
  onSessionOpen(): void;
  /** The session has closed; streams that have been asked for say so by themselves. */
  onSessionLost(error: NodeJS.ErrnoException): void;
}

/** One HTTP/2 connection to a backend (RFC 9113), shared by many requests. */
export class BackendSession {
  readonly scheme: 'http' | 'https';
  /** Settings have been exchanged as far as they have to be: streams can be made. */
  open = false;
  /** When something has come last on any stream, by performance.now. */
  heardAt = 0;
  /** How many streams at once the backend takes; null: it has not said. */
  streams: number | null;
  readonly #session: ClientHttp2Session;
  readonly #users = new Set<SessionUser>();
  readonly #onClosed: (session: BackendSession) => void;
  #error: NodeJS.ErrnoException | null = null;
  #pinging = false;
  #closed = false;
  #ours = false;
  #told = false;

  /**
   * @param socket that is being connected
   * @param streams how many at once the backend takes, as it has said on another session; null: it has not
   * @param onClosed called once, when the session is of no use any more
   * @param stays whether it stays open although it carries nothing
   */
  constructor(
    socket: Socket,
    streams: number | null,
    onClosed: (session: BackendSession) => void,
    stays: () => boolean = () => false,
  ) {
    this.streams = streams;
    const secure = socket instanceof TLSSocket;
    this.scheme = secure ? 'https' : 'http';
    this.#onClosed = onClosed;
    if (secure) {
      socket.once('secureConnect', () => {
        if (socket.alpnProtocol !== 'h2') socket.destroy(failure('ERR_NO_HTTP2', 'the backend does not speak HTTP/2'));
      });
    }
    // Node would throw for two lines of a field that has one value; what a client sends is passed on (behaviour 66).
    // Not in the types yet.
    const options: ClientSessionOptions & { readonly strictSingleValueFields: boolean } = {
      createConnection: () => socket,
      strictSingleValueFields: false,
      maxHeaderListPairs: MOST_FIELDS,
      maxSendHeaderBlockLength: MOST_REQUEST_HEAD,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW, maxHeaderListSize: MOST_HEADER_BYTES },
    };
    const session = connect(`${this.scheme}://backend`, options);
    this.#session = session;
    session.on('connect', () => {
      session.setLocalWindowSize(SESSION_WINDOW);
      this.open = true;
      for (const user of [...this.#users]) user.onSessionOpen();
    });
    session.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error;
    });
    session.on('remoteSettings', ({ maxConcurrentStreams }) => {
      this.streams = maxConcurrentStreams ?? MOST_STREAMS;
    });
    session.on('goaway', () => this.#retire());
    session.on('close', () => this.#lost());
    session.setTimeout(IDLE_MS, () => {
      if (!stays()) this.closeIdle();
    });
  }

  /** Whether another request can go out on it. */
  get hasRoom(): boolean {
    if (this.#closed || this.#pinging || this.#session.closed || this.#session.destroyed) return false;
    return this.#users.size < Math.max(1, Math.min(this.streams ?? STREAMS_AT_FIRST, MOST_STREAMS));
  }

  /** It ends by our doing: its end says nothing of the backend. */
  get endsByUs(): boolean {
    return this.#ours;
  }

  /** A stream has ended without an answer. False: with the session, and the first of those that did has told of it. */
  isNews(): boolean {
    if (!this.#session.destroyed) return true;
    const first = !this.#told;
    this.#told = true;
    return first;
  }

  join(user: SessionUser): void {
    this.#users.add(user);
  }

  leave(user: SessionUser): void {
    this.#users.delete(user);
    if (this.#users.size > 0) return;
    // Nobody waits for it any more: an address that does not answer.
    if (!this.open) {
      this.#ours = true;
      this.#session.destroy();
    } else if (this.#closed) this.#session.close();
  }

  /** @throws when the session has closed meanwhile, has no number left for a stream, or Node refuses a field */
  request(fields: string[], options: ClientSessionRequestOptions): ClientHttp2Stream {
    try {
      return this.#session.request(fields, options);
    } catch (error) {
      // 2^31 streams are all that a connection can have (RFC 9113 5.1.1).
      if ((error as NodeJS.ErrnoException).code === 'ERR_HTTP2_OUT_OF_STREAMS') this.#retire();
      throw error;
    }
  }

  /** A request that was sent at `since` (performance.now) got no answer: makes sure that somebody is there. */
  doubt(since: number): void {
    const now = performance.now();
    if (this.#pinging || this.#closed || !this.open || this.#session.destroyed) return;
    if (now - since < SILENT_MS || this.heardAt > since) return;
    this.#pinging = true;
    const deadline = new Deadline(PING_MS, () => {
      this.#ours = true;
      this.#session.destroy(failure('ETIMEDOUT', 'no answer to a PING'), constants.NGHTTP2_NO_ERROR);
    });
    this.#session.ping(() => {
      deadline.cancel();
      this.#pinging = false;
    });
  }

  /** Closes it when it carries nothing. False: it does. */
  closeIdle(): boolean {
    if (this.#users.size > 0) return false;
    this.#ours = true;
    this.#retire();
    this.#session.close();
    return true;
  }

  /** No further requests. */
  #retire(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClosed(this);
  }

  #lost(): void {
    this.#retire();
    const error = this.#error ?? failure('ECONNRESET', 'the connection has closed');
    for (const user of [...this.#users]) user.onSessionLost(error);
  }
}

function failure(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}
