import { type ClientHttp2Stream, constants } from 'node:http2';
import { ChunkedDecoder } from '../../http1/chunked.ts';
import { Parse } from '../../http1/parse.ts';
import type { ByteSocket, OpeningEvents, SocketEvents } from '../../sockets/byte-socket.ts';
import { backendRequest, trailerFields } from './backend-request.ts';
import { BodyForm, backendResponse, fieldLines, interimResponse } from './backend-response.ts';
import type { BackendSession, SessionUser } from './backend-session.ts';

const MOST_TRAILERS = 262_144;
/** Size line of a chunk and the CRLF behind it. */
const CHUNK_EXTRA = 16;
const PIECE = 65_536;
const CRLF = 0x0d0a;
/** Errors of ClientHttp2Session.request that say nothing about the request. */
const SESSION_CLOSES = new Set([
  'ERR_HTTP2_GOAWAY_SESSION',
  'ERR_HTTP2_INVALID_SESSION',
  'ERR_HTTP2_OUT_OF_STREAMS',
  'ERR_HTTP2_SESSION_ERROR',
]);

/** The code of an error by which a request was lost with its session, beside another one that tells of it. */
const CONNECTION_LOST = 'CONNECTION_LOST';

/** Responses are put into their HTTP/1.1 form here: who takes them copies what is to be kept. */
const scratch = Buffer.allocUnsafeSlow(PIECE + CHUNK_EXTRA);

/**
 * One request to a backend on an HTTP/2 session, which looks like an HTTP/1.1 connection that carries one exchange: one
 * HTTP/1.1 request is written to it, head first and in one piece, and its response is read from it. Body framing is
 * translated both ways, with trailers. A response that breaks off ends in `onClose` with an error, never in a last
 * chunk.
 */
export class BackendStream implements ByteSocket, SessionUser {
  readonly #session: BackendSession;
  #events: SocketEvents;
  /** Told once when it is open. */
  readonly #opening: OpeningEvents;
  #stream: ClientHttp2Stream | null = null;
  #method = '';
  #wantsTrailers = false;
  /** Bytes of the request body still to come; -1: it is chunked. */
  #left = 0;
  #decoder: ChunkedDecoder | null = null;
  #requestTrailers = '';
  #sentAt = 0;
  #answered = false;
  #form: number = BodyForm.none;
  #responseTrailers = '';
  /** END_STREAM has come: without it the response is not whole. */
  #ended = false;
  #error: NodeJS.ErrnoException | null = null;
  #done = false;
  connecting: boolean;

  constructor(session: BackendSession, events: OpeningEvents) {
    this.#session = session;
    this.#events = events;
    this.#opening = events;
    this.connecting = !session.open;
    session.join(this);
  }

  get destroyed(): boolean {
    return this.#done;
  }

  get writableLength(): number {
    return this.#stream?.writableLength ?? 0;
  }

  get writableHighWaterMark(): number {
    return this.#stream?.writableHighWaterMark ?? PIECE;
  }

  // ---- the request ----

  write(data: string | Buffer, encoding: BufferEncoding = 'latin1'): boolean {
    if (this.#done) return false;
    if (this.#stream !== null) {
      this.#writeBody(typeof data === 'string' ? Buffer.from(data, encoding) : data);
      return this.writableLength < this.writableHighWaterMark;
    }
    const text = typeof data === 'string' ? data : data.toString('latin1');
    const end = text.indexOf('\r\n\r\n') + 4;
    this.#start(text.slice(0, end));
    if (end < text.length) this.#writeBody(Buffer.from(text.slice(end), 'latin1'));
    return true;
  }

  writeCopy(bytes: Buffer, start: number, end: number, before = ''): void {
    if (before !== '') this.write(before);
    if (!this.#done && end > start) this.#writeBody(Buffer.from(bytes.subarray(start, end)));
  }

  #start(head: string): void {
    const { fields, method, length, trailers } = backendRequest(head, this.#session.scheme);
    this.#method = method;
    this.#wantsTrailers = trailers;
    this.#left = length;
    this.#sentAt = performance.now();
    try {
      this.#stream = this.#session.request(fields, { endStream: length === 0, waitForTrailers: length < 0 });
    } catch (error) {
      const why = error as NodeJS.ErrnoException;
      // Nothing has been sent: the session has begun to close.
      if (SESSION_CLOSES.has(why.code ?? '')) why.code = 'REFUSED_STREAM';
      process.nextTick(() => this.#fail(why));
      return;
    }
    if (length < 0) {
      this.#decoder = new ChunkedDecoder();
      this.#decoder.reset(false, MOST_TRAILERS);
    }
    this.#listen(this.#stream);
  }

  #writeBody(bytes: Buffer): void {
    const stream = this.#stream;
    if (stream === null || stream.closed || stream.destroyed) return;
    const decoder = this.#decoder;
    if (decoder === null) {
      this.#left -= bytes.length;
      if (this.#left > 0) stream.write(bytes);
      else stream.end(bytes);
      return;
    }
    const result = decoder.feed(bytes, 0, bytes.length);
    if (result === Parse.bad) throw new Error(`a request body that was accepted is refused: ${decoder.problem}`);
    for (let i = 0; i < decoder.count; i++) stream.write(bytes.subarray(decoder.start[i], decoder.end[i]));
    if (result !== Parse.done) return;
    this.#requestTrailers = decoder.trailers;
    stream.end();
  }

  cork(): void {}

  uncork(): void {}

  // ---- the response ----

  #listen(stream: ClientHttp2Stream): void {
    const push = stream.push.bind(stream);
    // A reset with NO_ERROR in the middle of a response ends the stream as END_STREAM does; the only difference is that
    // the stream is closed by then (RFC 9113 8.1 has it reset only after a whole response).
    stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null && !stream.closed) this.#ended = true;
      return push(chunk, encoding);
    };
    stream.on('headers', (headers, _flags, raw: string[]) => {
      this.#heard();
      this.#give(interimResponse(raw, Number(headers[':status'])));
    });
    stream.on('response', (headers, flags, raw: string[]) => {
      this.#heard();
      this.#answered = true;
      const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      if (ended) this.#ended = true;
      const status = Number(headers[':status']);
      const { text, form } = backendResponse(raw, status, this.#method, ended, this.#wantsTrailers);
      this.#form = form;
      this.#give(text);
    });
    stream.on('data', (bytes: Buffer) => this.#onData(bytes));
    stream.on('trailers', (_headers, flags, raw: string[]) => {
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) this.#ended = true;
      this.#responseTrailers = fieldLines(raw);
    });
    stream.on('end', () => this.#onEnd());
    stream.on('drain', () => this.#events.onDrain());
    stream.on('wantTrailers', () => {
      try {
        stream.sendTrailers(trailerFields(this.#requestTrailers));
      } catch (error) {
        // A field that Node does not let through: the request cannot end as it was meant to.
        this.#fail(error as NodeJS.ErrnoException);
        stream.close(constants.NGHTTP2_CANCEL);
      }
    });
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error;
    });
    stream.on('close', () => this.#onClose(stream));
  }

  #heard(): void {
    this.#session.heardAt = performance.now();
  }

  #give(text: string): void {
    if (this.#done) return;
    const bytes = Buffer.from(text, 'latin1');
    if (!this.#events.onBytes(bytes.length, bytes)) this.#stream?.pause();
  }

  #onData(bytes: Buffer): void {
    this.#heard();
    let flowing = true;
    for (let from = 0; from < bytes.length && !this.#done; from += PIECE) {
      const piece = bytes.subarray(from, from + PIECE);
      flowing = (this.#form === BodyForm.chunked ? this.#giveChunk(piece) : this.#givePlain(piece)) && flowing;
    }
    if (!flowing && !this.#done) this.#stream?.pause();
  }

  #givePlain(piece: Buffer): boolean {
    // A body where none can be: nghttp2 refuses it, and if not, nobody asked for it.
    return this.#form === BodyForm.none || this.#events.onBytes(piece.length, piece);
  }

  #giveChunk(piece: Buffer): boolean {
    const start = scratch.write(`${piece.length.toString(16)}\r\n`, 'latin1');
    piece.copy(scratch, start);
    scratch.writeUInt16BE(CRLF, start + piece.length);
    return this.#events.onBytes(start + piece.length + 2, scratch);
  }

  #onEnd(): void {
    if (this.#done || !this.#ended || !this.#answered) return;
    if (this.#form === BodyForm.chunked) this.#give(`0\r\n${this.#responseTrailers}\r\n`);
  }

  #onClose(stream: ClientHttp2Stream): void {
    if (this.#done) return;
    const { rstCode } = stream;
    const error = this.#error ?? Object.assign(new Error('the stream was reset'), { code: `RST_STREAM ${rstCode}` });
    // RFC 9113 8.7: of such a request nothing has been processed, also when GOAWAY says it.
    if (rstCode === constants.NGHTTP2_REFUSED_STREAM) error.code = 'REFUSED_STREAM';
    // One end of a connection, however many requests were under way on it.
    else if (!this.#session.isNews())
      return this.#fail(Object.assign(new Error(error.message), { code: CONNECTION_LOST }));
    this.#fail(error);
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  look(): boolean {
    return false;
  }

  handTo(events: SocketEvents): void {
    this.#events = events;
  }

  // ---- the session ----

  onSessionOpen(): void {
    if (!this.connecting) return;
    this.connecting = false;
    this.#opening.onOpen(this);
  }

  onSessionLost(error: NodeJS.ErrnoException): void {
    this.#error ??= error;
    // One that has been asked for is told by its own 'close'.
    if (this.#stream === null) this.#fail(error);
  }

  // ---- ends ----

  #fail(error: NodeJS.ErrnoException): void {
    if (this.#done) return;
    this.#finish();
    this.#events.onClose(error);
  }

  #finish(): void {
    this.#done = true;
    this.#session.leave(this);
  }

  /** There are no two halves to it: the request ends where its framing says so. */
  end(): void {}

  destroySoon(): void {
    this.destroy();
  }

  /** Gives the request up, unless it is over. */
  destroy(): void {
    if (this.#done) return;
    const stream = this.#stream;
    if (stream !== null && !this.#answered) this.#session.doubt(this.#sentAt);
    this.#finish();
    if (stream === null || stream.destroyed) return;
    if (!stream.closed) stream.close(this.#ended ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
    // What is left in its buffer nobody is going to read.
    stream.resume();
  }
}
