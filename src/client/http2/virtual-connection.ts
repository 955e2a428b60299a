import { EventEmitter } from 'node:events';
import { FieldBlock } from '../../http1/field-block.ts';
import type { Head } from '../../http1/head.ts';
import { hashName } from '../../http1/header-id.ts';
import { Parse } from '../../http1/parse.ts';
import { fieldsByName, responseFields } from '../../upstream/http2/response-fields.ts';
import type { RequestText } from './request-text.ts';
import { ResponseReader, type ResponseSink } from './response-reader.ts';
import type { ResponseOptions, StreamPort } from './stream-port.ts';
import { webSocketAccept } from './websocket-handshake.ts';

/** The session that a virtual connection belongs to. */
export interface StreamOwner {
  /** Part of an answer goes out. */
  worked(): void;
  /** A request has been served, its stream is closed, and the connection can take the next one. */
  freed(connection: VirtualConnection): void;
  /** The connection has closed, with its stream when it had one. @param reset the client broke a request off */
  dropped(connection: VirtualConnection, reset: boolean): void;
}

/** RFC 9113 section 7. */
const NO_ERROR = 0;
const TRAILER_FIELDS = 1_000;
const LAST_CHUNK = '0\r\n';
const CRLF = '\r\n';
const NONE = '';
const ACCEPT = 'sec-websocket-accept';
const ACCEPT_HASH = hashName(ACCEPT);
/** Ways to begin a response. */
const PLAIN: ResponseOptions = { sendDate: false };
const WHOLE: ResponseOptions = { sendDate: false, endStream: true };
const WITH_TRAILERS: ResponseOptions = { sendDate: false, waitForTrailers: true };
const TUNNEL = PLAIN;

/**
 * The client's end of a connection of HTTP/1.1 that does not exist: on one side streams of HTTP/2, one after the other,
 * on the other what looks like the socket of a client that keeps its connection open. It has of net.Socket what a
 * client's connection uses: 'data' with bytes of requests, 'end', 'drain', 'close', and what is written is read as
 * responses.
 *
 * Flow control goes through: paused, it lets the stream's window run out; and `writableLength` is what the window of
 * the client has not let through yet. A response that is whole ends the stream; one that is not, whatever way the
 * connection ends, resets it (RFC 9113 8.1).
 */
export class VirtualConnection extends EventEmitter implements ResponseSink {
  readonly remoteAddress: string;
  /** As with a TLSSocket. */
  readonly encrypted: boolean;
  readonly writableHighWaterMark = 65_536;
  readonly #owner: StreamOwner;
  readonly #reader = new ResponseReader(this);
  #stream: StreamPort | null = null;
  /** The end of the request has not come. */
  #bodyOpen = false;
  #chunked = false;
  /**
   * A CONNECT that is no tunnel yet: what follows its head belongs to the tunnel, or to nobody (RFC 9113 8.5, RFC 8441
   * 5). It stays in the stream until the tunnel is there, and is never read as HTTP; a refusal ends the stream.
   */
  #holds = false;
  #paused = true;
  /** Of a request for a WebSocket: what the backend has to answer the handshake with; '' otherwise. */
  #accept = NONE;
  #tunnel = false;
  #ended = false;
  #closed = false;
  #resetByUs = false;
  /** The response breaks off, once what has been written is out. */
  #cutting = false;
  #writing = 0;
  #requestTrailers = NONE;
  #responseTrailers: Record<string, string[]> | null = null;
  #trailersDue = false;

  constructor(owner: StreamOwner, peer: string, encrypted: boolean) {
    super();
    this.#owner = owner;
    this.remoteAddress = peer;
    this.encrypted = encrypted;
  }

  // ---- the stream's side ----

  /**
   * Serves a stream: its request comes out as 'data'.
   * @param whole it has no body
   * @param key Sec-WebSocket-Key that `request` holds, for a WebSocket
   */
  attach(stream: StreamPort, request: RequestText, whole: boolean, key: string): void {
    this.#stream = stream;
    this.#holds = !whole && (request.websocket || request.method === 'CONNECT');
    this.#bodyOpen = !whole && !this.#holds;
    this.#chunked = request.chunked;
    this.#accept = request.websocket ? webSocketAccept(key) : NONE;
    this.#resetByUs = false;
    this.#requestTrailers = NONE;
    this.#responseTrailers = null;
    this.#trailersDue = false;
    this.#reader.reset(request.method);
    // What goes wrong with a stream is told by 'close'.
    stream.on('error', ignore);
    stream.on('close', this.#onStreamClose);
    stream.on('drain', this.#onStreamDrain);
    this.emit('data', Buffer.from(request.text, 'latin1'));
    if (this.#bodyOpen && stream === this.#stream) this.#read(stream);
  }

  /** Lets what the stream brings come out. */
  #read(stream: StreamPort): void {
    stream.on('trailers', this.#onStreamTrailers);
    stream.on('end', this.#onStreamEnd);
    if (this.#paused) stream.pause();
    stream.on('data', this.#onStreamData);
  }

  readonly #onStreamData = (bytes: Buffer): void => {
    if (bytes.length === 0) return;
    if (!this.#chunked) {
      this.emit('data', bytes);
      return;
    }
    const size = bytes.length.toString(16);
    const chunk = Buffer.allocUnsafe(size.length + bytes.length + 4);
    chunk.write(`${size}\r\n`, 0, 'latin1');
    bytes.copy(chunk, size.length + 2);
    chunk.write(CRLF, chunk.length - 2, 'latin1');
    this.emit('data', chunk);
  };

  readonly #onStreamTrailers = (_fields: object, _flags: number, raw?: readonly string[]): void => {
    for (let i = 0; raw !== undefined && i + 1 < raw.length; i += 2) {
      this.#requestTrailers += `${raw[i]!}: ${raw[i + 1]!}\r\n`;
    }
  };

  readonly #onStreamEnd = (): void => {
    // A stream that is reset ends too: 'close' says so.
    if (this.#stream === null || this.#stream.aborted) return;
    this.#bodyOpen = false;
    if (this.#tunnel || this.#accept !== NONE) this.emit('end');
    else if (this.#chunked) this.emit('data', Buffer.from(LAST_CHUNK + this.#requestTrailers + CRLF, 'latin1'));
  };

  readonly #onStreamDrain = (): void => {
    this.emit('drain');
  };

  readonly #onStreamClose = (): void => {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    const reset = stream.rstCode !== NO_ERROR;
    // One that has asked for a tunnel is not used again: nothing of it may come near another request.
    const whole = this.#reader.done && !this.#bodyOpen && this.#accept === NONE && !reset;
    if (whole && !this.#ended && !this.#closed) {
      this.#owner.freed(this);
      return;
    }
    this.#close(reset, !this.#resetByUs && !this.#reader.done && !this.#tunnel);
  };

  // ---- the socket's side ----

  get destroyed(): boolean {
    return this.#closed;
  }

  get writableLength(): number {
    return this.#stream?.writableLength ?? 0;
  }

  isPaused(): boolean {
    return this.#paused;
  }

  pause(): this {
    this.#paused = true;
    if (this.#bodyOpen) this.#stream?.pause();
    return this;
  }

  resume(): this {
    this.#paused = false;
    if (this.#bodyOpen) this.#stream?.resume();
    return this;
  }

  cork(): void {
    this.#stream?.cork();
  }

  uncork(): void {
    this.#stream?.uncork();
  }

  /** Takes bytes of a response, or of a tunnel. They are kept until they are out. */
  write(chunk: string | Buffer): boolean {
    if (!this.#open()) return true;
    this.#owner.worked();
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk;
    if (this.#tunnel) this.#send(bytes);
    else {
      this.#reader.feed(bytes);
      if (this.#holds && this.#reader.done) this.#endRequest();
    }
    return this.writableLength < this.writableHighWaterMark;
  }

  /** FIN. @param done called once everything written is out; not when the stream is reset before */
  end(done?: () => void): this {
    this.#ended = true;
    const stream = this.#stream;
    if (stream === null) {
      if (done !== undefined) process.nextTick(done);
      this.#closeSoon();
      return this;
    }
    if (this.#tunnel) stream.end();
    if (done !== undefined) {
      if (stream.writableFinished) process.nextTick(done);
      else stream.once('finish', done);
    }
    if (this.#tunnel) return this;
    if (!this.#reader.done) this.#reset();
    else if (this.#bodyOpen && !this.#trailersDue) this.#endRequest();
    return this;
  }

  /**
   * Closes once what is written is out: a tunnel and a whole response with END_STREAM, a broken one with RST_STREAM.
   */
  destroySoon(): void {
    if (this.#stream === null || this.#tunnel || this.#reader.done) {
      this.end();
      return;
    }
    if (this.#writing === 0) this.destroy();
    else this.#cutting = true;
  }

  /** Closes at once; a stream that is open is reset. */
  destroy(): this {
    if (this.#closed) return this;
    const stream = this.#stream;
    if (stream !== null) {
      if (this.#reader.done && !this.#tunnel && stream.writableFinished) this.#endRequest();
      else this.#reset();
    }
    this.#closeSoon();
    return this;
  }

  resetAndDestroy(): this {
    return this.destroy();
  }

  /**
   * Resets the stream with INTERNAL_ERROR: no other way of node:http2's to end one is sure not to put END_STREAM, or
   * NO_ERROR, behind what has been sent already.
   */
  #reset(): void {
    this.#resetByUs = true;
    this.#stream?.destroy(new Error('the response broke off'));
  }

  /** The response has been given: the client is told not to send the rest of its request (RFC 9113 8.1). */
  #endRequest(): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.#resetByUs = true;
    stream.off('data', this.#onStreamData);
    stream.close(NO_ERROR);
    // Node closes a stream only when what it has read is gone.
    stream.resume();
  }

  /** As a socket does: nothing is told before the caller has returned. */
  #closeSoon(): void {
    if (!this.#closed) process.nextTick(() => this.#close(false, false));
  }

  #close(hadError: boolean, reset: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owner.dropped(this, reset);
    this.emit('close', hadError);
  }

  // ---- the response ----

  #open(): boolean {
    const stream = this.#stream;
    return stream !== null && !stream.destroyed && !stream.closed;
  }

  onInterim(head: Head): void {
    if (this.#open()) this.#stream!.additionalHeaders({ ...fieldsByName(head), ':status': head.status });
  }

  onSwitch(head: Head): void {
    const line = head.upgradeLine;
    const protocol = line < 0 ? NONE : head.value(line).toLowerCase();
    const accept = head.find(ACCEPT, ACCEPT_HASH);
    const agreed =
      this.#accept !== NONE && protocol === 'websocket' && accept >= 0 && head.value(accept) === this.#accept;
    if (!this.#open()) return;
    if (!agreed) return this.#refuse();
    const fields = fieldsOf(head, '200');
    // RFC 8441 5: what the handshake proves, the stream does by being one.
    const at = fields.indexOf(ACCEPT);
    fields.splice(at, 2);
    this.#tunnel = true;
    this.#holds = false;
    this.#bodyOpen = true;
    this.#stream!.respond(fields, TUNNEL);
    this.#read(this.#stream!);
  }

  onHead(head: Head, whole: boolean, open: boolean): void {
    if (!this.#open()) return;
    const stream = this.#stream!;
    const { status } = head;
    // A success would say that the tunnel is open; and node:http2 knows no status above 599.
    if ((this.#accept !== NONE && status < 300) || status > 599) return this.#refuse();
    this.#trailersDue = open && !whole;
    if (this.#trailersDue) stream.once('wantTrailers', this.#onWantTrailers);
    // The body of a 205 is none (RFC 9110 15.3.6), and node:http2 sends none.
    const fields = fieldsOf(head, String(status));
    stream.respond(fields, whole ? WHOLE : open ? WITH_TRAILERS : PLAIN);
  }

  onData(piece: Buffer, last: boolean): void {
    // Of a response that cannot have a body node:http2 has ended the stream by itself.
    if (!this.#open() || this.#stream!.writableEnded) return;
    if (last) this.#stream!.end(piece);
    else this.#send(piece);
  }

  onTrailers(section: string): void {
    if (section !== CRLF) {
      const block = new FieldBlock(TRAILER_FIELDS);
      if (block.parseTrailers(Buffer.from(section, 'latin1')) !== Parse.done) return this.onMalformed(block.problem);
      this.#responseTrailers = fieldsByName(block);
    }
    if (this.#open()) this.#stream!.end();
  }

  onMalformed(_problem: string): void {
    this.destroy();
  }

  readonly #onWantTrailers = (): void => {
    const stream = this.#stream;
    this.#trailersDue = false;
    if (stream === null || stream.destroyed || stream.closed) return;
    stream.sendTrailers(this.#responseTrailers ?? {});
    // Behind the trailers, which Node sends in the next turn.
    if (this.#ended && this.#bodyOpen) setImmediate(() => this.#endRequest());
  };

  #send(piece: Buffer): void {
    this.#writing++;
    this.#stream!.write(piece, this.#onWritten);
  }

  readonly #onWritten = (): void => {
    this.#writing--;
    if (this.#writing === 0 && this.#cutting) this.destroy();
  };

  /** The backend's answer cannot be had in HTTP/2: 502, and this side is closed. */
  #refuse(): void {
    const stream = this.#stream!;
    const date = new Date().toUTCString();
    stream.respond([':status', '502', 'content-length', '0', 'limpet-error', 'BACKEND_PROTOCOL', 'date', date], WHOLE);
    if (this.#bodyOpen || this.#holds) this.#endRequest();
    this.#closeSoon();
  }
}

function fieldsOf(head: Head, status: string): string[] {
  return responseFields(head, [':status', status]);
}

function ignore(): void {}
