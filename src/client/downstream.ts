/**
 * The client's side of an exchange.
 * Longer than 400 lines because it is one state machine: what each event does depends on all the others.
 */
import { ERRORS, type ErrorKind } from '../errors.ts';
import type { Attempt } from '../exchange/attempt.ts';
import type { ClientSide } from '../exchange/client-side.ts';
import { Exchange } from '../exchange/exchange.ts';
import { ConnectionToken, Framing, type Head, Parse } from '../http1/head.ts';
import type { Attempts } from '../proxy/attempts.ts';
import type { Handler } from '../proxy/handler.ts';
import { RequestIds } from '../proxy/request-ids.ts';
import type { SocketEvents } from '../sockets/byte-socket.ts';
import { TEXT_BYTES } from '../sockets/text-bytes.ts';
import { Timed } from '../timing/timer-wheel.ts';
import { upgradeProtocol } from '../upstream/tunnel.ts';
import { CloseReason } from '../websocket/websocket-close.ts';
import { clientAddress, clientHost, clientScheme, forwardedLines } from './client-address.ts';
import { type Accepted, type ClientSocket, toClientSocket } from './client-socket.ts';
import type { ConnectionEnds } from './connection-ends.ts';
import type { ConnectionOwner } from './connection-owner.ts';
import { LeastRate } from './least-rate.ts';
import { RequestBody } from './request-body.ts';
import type { StopTimes } from './stop-times.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

const Phase = { head: 0, exchange: 1, drain: 2, closing: 3, tunnel: 4, closed: 5 } as const;

/** Pipelined bytes kept while a request is under way; beyond it reading stops. */
const PIPELINE_BYTES = 65_536;
/** What is read and dropped of an upload whose answer has been given (behaviour 57). */
const DRAIN_BYTES = 262_144;
const DRAIN_MS = 5_000;
/** By the version in which requests come (RFC 9110 7.6.3): HTTP/1.0, HTTP/1.1, HTTP/2. */
const VIA = ['Via: 1.0 limpet\r\n', 'Via: 1.1 limpet\r\n', 'Via: 2.0 limpet\r\n'] as const;
/** Time for a client to read our last words before the connection is cut. */
const LINGER_MS = 2_000;
/** Shares of the grace of a stop: WebSockets are told within the first, as event streams end, and do not wait for the end of a message after the second. */
const SPREAD = 0.8;
const URGENT = 0.9;

/** Who is at the other end of a connection, and how it came. */
export interface AcceptedClient {
  /** Address of the peer in its one spelling (`TrustedProxies.normalise`); '' when it has none, such as behind a unix socket. */
  readonly peer: string;
  /** The connection itself is encrypted. */
  readonly secure: boolean;
  /** Absent: the connection itself knows them. */
  readonly ends?: ConnectionEnds;
  /** Of a connection that is TLS. */
  readonly certificate?: { readonly identity: string };
  /** It is a stream of HTTP/2. */
  readonly http2?: boolean;
}

/**
 * An HTTP/1.1 connection of a client (RFC 9112). Reads requests one at a time, in order (behaviour 61),
 * hands each to the handler, and owns everything that is written to the client.
 */
export class Downstream extends Timed implements ClientSide, SocketEvents {
  readonly exchange: Exchange;
  address: string;
  secure: boolean;
  trustedRequestId = '';
  chunks = true;

  readonly #socket: ClientSocket;
  readonly #handler: Handler;
  readonly #attempts: Attempts;
  readonly #listener: ConnectionOwner;
  readonly #peer: string;
  readonly #ends: ConnectionEnds;
  readonly #ownTls: boolean;
  readonly #certificate: AcceptedClient['certificate'];
  readonly #http2: boolean;
  /** By what `#peerTrusted` was found out: a reload may say otherwise. */
  #trusted: TrustedProxies;
  #peerTrusted: boolean;
  #phase: number = Phase.head;
  #pending: Buffer | null = null;
  #out = '';
  /** What goes out instead of text, as it came: #raw[#rawStart, #rawEnd); null: nothing. */
  #raw: Buffer | null = null;
  #rawStart = 0;
  #rawEnd = 0;
  #close = false;
  /**
   * The request asks for another protocol. What comes behind it before its answer is whole may have been sent in hope of that protocol: refused, such
   * bytes are no request, and end the connection (RFC 9931).
   */
  #switches = false;
  #ended = false;
  readonly #body = new RequestBody();
  /** What the deadline of the body was set with. */
  #awaitedMs = 0;
  /** There is a backend that takes the body. */
  #bodyAsked = false;
  /** Of bodies that come in more than one read; null: there has been none. */
  #bodyRate: LeastRate | null = null;
  /** Of responses, where there is a limit. */
  #readRate: LeastRate | null = null;
  /** Since when the client takes nothing of what waits for it, by the wheel; 0: nothing waits. */
  #stuckSince = 0;
  /** Bytes that the client has been sent and had not taken. */
  #unread = 0;
  #drained = 0;
  #parsing = false;
  #upstream: Attempt | null = null;
  #forwardedHost = '';
  #forwarded = '';
  #forwardedVia = '';
  /** At a graceful stop: until when it may lie idle, when a WebSocket is told or an event stream ends, and when that gets urgent. By `wheel.now`. */
  #idleUntil = Number.POSITIVE_INFINITY;
  #idleMs = 0;
  #goAwayAt = 0;
  #urgentAt = 0;
  /** A stop has ended it although its client was not told before. */
  #endedIdle = false;
  /** At the end of a graceful stop the request has got an answer: its client is given the usual time to read it. */
  #lastWords = false;

  /** @param accepted a connection that has not been read from yet */
  constructor(
    accepted: Accepted,
    { peer, secure, ends, certificate, http2 = false }: AcceptedClient,
    listener: ConnectionOwner,
    handler: Handler,
  ) {
    super();
    const socket = toClientSocket(accepted, this);
    this.#socket = socket;
    this.#listener = listener;
    this.#handler = handler;
    this.#attempts = handler.ends;
    this.exchange = new Exchange(this, handler.ends);
    this.#peer = peer;
    this.#ends = ends ?? socket;
    this.#ownTls = secure;
    this.#certificate = certificate;
    this.#http2 = http2;
    this.secure = secure;
    this.#trusted = listener.trusted;
    this.#peerTrusted = this.#trusted.has(this.#peer);
    this.address = this.#peer;
    this.#handler.wheel.set(this, this.#listener.config.timeouts.keepAlive);
    socket.resume();
  }

  /** A client that a trusted proxy names has come to that proxy by a port that nobody knows. */
  get port(): number {
    return this.address === this.#peer ? (this.#ends.remotePort ?? 0) : 0;
  }

  /** Whether its peer is one of `trustedProxies`. */
  get trusted(): boolean {
    return this.#peerTrusted;
  }

  get localAddress(): string {
    return this.#ends.localAddress ?? '';
  }

  get localPort(): number {
    return this.#ends.localPort ?? 0;
  }

  clientHost(head: Head): string {
    return clientHost(this.#peerTrusted, head, this.#trusted);
  }

  get tlsIdentity(): string {
    return this.#certificate?.identity ?? '';
  }

  get multiplexed(): boolean {
    return this.#listener.multiplexed;
  }

  get keepAlive(): boolean {
    return !this.#close && !this.#stopping;
  }

  /** The whole worker stops, or this connection's listener does. */
  get #stopping(): boolean {
    return this.#handler.stopping || this.#listener.stopping;
  }

  closeAfter(): void {
    this.#close = true;
  }

  // ---- reading ----

  /** Bytes of the client that were read before this connection was made; to be called once, at once. */
  receive(bytes: Buffer): void {
    this.onBytes(bytes.length, bytes);
  }

  onBytes(size: number, bytes: Buffer): boolean {
    try {
      switch (this.#phase) {
        case Phase.head: {
          const pending = this.#pending;
          if (pending === null) this.#parse(bytes, size);
          else {
            this.#pending = null;
            const both = Buffer.concat([pending, bytes.subarray(0, size)]);
            this.#parse(both, both.length);
          }
          break;
        }
        case Phase.exchange:
          if (!this.exchange.bodyDone) this.#takeBody(bytes, size);
          else this.#keep(bytes, 0, size);
          break;
        case Phase.drain:
          this.#drain(bytes, size);
          break;
        case Phase.tunnel:
          this.#handler.wheel.limit(this, this.exchange.pool?.config.timeouts.tunnel ?? 0);
          this.exchange.bytesIn += size;
          return this.#upstream!.writeTunnel(bytes, size);
        default:
          if (this.#endedIdle) {
            this.#endedIdle = false;
            this.#listener.crossed();
          }
          break;
      }
    } catch (error) {
      this.#defect(error);
    }
    return true;
  }

  /** A defect of limpet's own costs this one connection, never the worker (behaviour 69). */
  #defect(error: unknown): void {
    this.#attempts.defect(this.exchange, error);
    this.abort();
  }

  /** Keeps a copy of bytes[from, end), which belong to a later request, or to a tunnel. */
  #keep(bytes: Buffer, from: number, end: number): void {
    if (this.#switches) this.#close = true;
    const rest = bytes.subarray(from, end);
    this.#pending = this.#pending === null ? Buffer.from(rest) : Buffer.concat([this.#pending, rest]);
    // A head that is not whole yet has a limit of its own.
    if (this.#pending.length > PIPELINE_BYTES && this.#phase === Phase.exchange) this.#socket.pause();
  }

  /** Takes requests out of bytes[0, end) for as long as they can be answered at once, and keeps the rest. */
  #parse(bytes: Buffer, end: number): void {
    this.#parsing = true;
    let from = 0;
    while (from < end && this.#phase === Phase.head) {
      const next = this.#next(bytes, from, end);
      if (next < 0) break;
      from = next;
    }
    this.#parsing = false;
    if (from < end && this.#phase <= Phase.exchange) this.#keep(bytes, from, end);
    // These bytes had waited for their turn and the client has sent FIN since: there will be no more of them.
    if (this.#ended) this.#onEndOfRequests();
  }

  /** Starts the request at `from`. Returns the offset behind what was taken of it; -1: more bytes are needed, or it was refused. */
  #next(bytes: Buffer, from: number, end: number): number {
    const handler = this.#handler;
    const head = handler.heads.of(this.#listener.config.limits.headers);
    const limit = this.#listener.config.limits.headerBytes;
    const result = head.parseRequest(bytes, from, Math.min(end, from + limit));
    if (result === Parse.more) {
      if (end - from >= limit) {
        // Empty lines in front count as part of the request line, whose end has not come either.
        const kind = head.fieldsStart === 0 ? ERRORS.URI_TOO_LONG : ERRORS.HEADERS_TOO_LARGE;
        return this.#refuse(kind, 'header block over the limit', head.method);
      }
      // The clock runs from the first byte, not from the latest one: a byte now and then buys no time (behaviour 70).
      if (!this.#waitsForHead) handler.wheel.set(this, this.#listener.config.timeouts.header);
      this.#waitsForHead = true;
      return -1;
    }
    this.#waitsForHead = false;
    if (result !== Parse.done) {
      const kind = result === Parse.tooMany ? ERRORS.HEADERS_TOO_LARGE : ERRORS.BAD_REQUEST;
      return this.#refuse(kind, result === Parse.tooMany ? 'too many header fields' : head.problem, head.method);
    }
    handler.wheel.clear(this);
    const x = this.exchange;
    x.reset();
    x.text = head.text;
    x.method = head.method;
    x.minor = head.minor;
    x.host = head.host;
    x.pathStart = head.pathStart;
    x.pathEnd = head.pathEnd;
    this.chunks = head.minor === 1;
    // A client of CONNECT may send bytes of its tunnel without waiting: its refusal ends the connection (RFC 9931).
    this.#close = !head.keepAlive || head.method === 'CONNECT';
    this.#switches = (head.connection & ConnectionToken.upgrade) !== 0 && upgradeProtocol(head) !== '';
    this.#phase = Phase.exchange;
    if (this.#listener.trusted !== this.#trusted) this.#trustAnew();
    if (this.#peerTrusted) {
      this.address = clientAddress(this.#peer, true, head, this.#listener.trusted);
      this.secure = clientScheme(this.#ownTls, true, head, this.#listener.trusted) === 'https';
      this.trustedRequestId = RequestIds.trusted(head);
    }
    let next = from + head.consumed;
    if (head.framing !== Framing.none) {
      x.bodyDone = false;
      this.#body.reset(head, limit, this.#listener.config.limits.headers);
      this.#bodyAsked = false;
      this.#bodyRate?.reset();
      // What has come of the body is checked before anything goes out: bad framing in the same
      // packet as the head reaches no backend (behaviour 53).
      if (next < end) {
        next = this.#decodeBody(bytes, next, end);
        if (next < 0) return -1;
      }
      // The rest is not read before there is a backend to take it (behaviour 32), or a little of it, where a FIN may lie behind it.
      if (!x.bodyDone && !this.#aborts) this.#socket.pause();
    }
    if (this.#switches && next < end) this.#close = true;
    handler.handle(x, head);
    return next;
  }

  #waitsForHead = false;

  /** A reload has changed who is trusted. */
  #trustAnew(): void {
    this.#trusted = this.#listener.trusted;
    this.#peerTrusted = this.#trusted.has(this.#peer);
    this.address = this.#peer;
    this.secure = this.#ownTls;
    this.trustedRequestId = '';
    this.#forwarded = '';
  }

  #takeBody(bytes: Buffer, size: number): void {
    const x = this.exchange;
    const { upstream } = x;
    // Bytes that nobody will send again go right on.
    const passes = !x.replayable && !this.#body.openEnded && upstream?.takesCopies === true;
    const next = passes ? this.#skipBody(bytes, size) : this.#decodeBody(bytes, 0, size);
    if (next < 0) return;
    if (next < size) this.#keep(bytes, next, size);
    if (x.bodyDone) this.#handler.wheel.clear(this);
    else if (!this.#comesOn(next)) return;
    if (passes) upstream.sendCopy(bytes, 0, next);
    else upstream?.sendBody();
  }

  /** More of a body has come, and more is to come. False: it comes too slowly, and is refused. */
  #comesOn(size: number): boolean {
    const x = this.exchange;
    if (!this.#bodyAsked) {
      // As much as may be kept of it in any case.
      if (x.bodyBytes > Math.max(PIPELINE_BYTES, x.pool?.config.retry.bodyBuffer ?? 0)) this.#socket.pause();
      return true;
    }
    const { bodyRate } = this.#listener.config.timeouts;
    // Once the response has begun the client owes nothing: it may be one half of a conversation.
    if (!x.committed && !this.#bodyRate!.moved(size, this.#handler.wheel.now, bodyRate)) {
      this.#refuse(ERRORS.REQUEST_TIMEOUT, 'body under timeouts.bodyRate');
      return false;
    }
    this.#awaitBody();
    return true;
  }

  /** Counts what bytes[0, size) holds of a request body with a length. Returns the offset behind it. */
  #skipBody(bytes: Buffer, size: number): number {
    const x = this.exchange;
    x.bodyDone = this.#body.skip(bytes, 0, size) === Parse.done;
    const { stop } = this.#body;
    x.bytesIn += stop;
    x.bodyBytes += stop;
    return stop;
  }

  /** Adds what bytes[from, end) holds of the request body to the exchange, in wire form. Returns the offset behind it; -1: it was refused. */
  #decodeBody(bytes: Buffer, from: number, end: number): number {
    const x = this.exchange;
    const body = this.#body;
    const result = body.take(bytes, from, end);
    if (result === Parse.bad) {
      this.#refuseBody(body.problem);
      return -1;
    }
    if (body.piece !== null) {
      x.bytesIn += body.piece.length;
      x.bodyBytes += body.piece.length;
      x.body.push(body.piece);
    }
    if (result === Parse.more) return end;
    x.bodyDone = true;
    return body.stop;
  }

  #refuseBody(problem: string): void {
    const x = this.exchange;
    if (x.committed) {
      this.#attempts.clientGone(x);
      this.abort();
    } else this.#refuse(ERRORS.BAD_REQUEST, problem);
  }

  /**
   * Answers with an error of the client's making and takes nothing more from this connection.
   * @param method of a request whose head is refused: the answer to HEAD has no body even then (behaviour 55)
   */
  #refuse(kind: ErrorKind, problem: string, method = ''): -1 {
    const x = this.exchange;
    if (!x.active) {
      x.reset();
      x.text = '';
      x.method = method;
      x.host = '';
      x.minor = 1;
      this.chunks = true;
    }
    this.#close = true;
    this.#pending = null;
    x.bodyDone = true;
    this.#phase = Phase.exchange;
    this.#attempts.refuse(x, kind, problem);
    return -1;
  }

  readAhead(): void {
    // What cannot be looked at (TLS, a Node without system calls) may hold bytes in hope of another protocol: nothing behind a refusal is read then.
    if (!this.#socket.look()) this.#close = true;
  }

  readBody(): void {
    const x = this.exchange;
    if (x.bodyDone || this.#phase !== Phase.exchange) return;
    this.#bodyAsked = true;
    this.#awaitBody();
    this.#socket.resume();
  }

  /**
   * How long the client may be silent in the middle of its body. A body of unknown length whose response has begun is one half of a
   * conversation, such as a stream of gRPC: there silence is as good as in any other tunnel.
   */
  get #bodyMs(): number {
    const { pool, committed } = this.exchange;
    return committed && pool !== null && this.#body.openEnded
      ? pool.config.timeouts.tunnel
      : this.#listener.config.timeouts.body;
  }

  #awaitBody(): void {
    (this.#bodyRate ??= new LeastRate()).wait(this.#handler.wheel.now);
    this.#awaitedMs = this.#bodyMs;
    this.#handler.wheel.limit(this, this.#awaitedMs);
  }

  /** The client has been silent in the middle of its body. */
  #onSilentBody(): void {
    const limit = this.#bodyMs;
    const more = limit - this.#awaitedMs;
    if (more > 0 || limit === 0) {
      // The response has begun since the time for it was set.
      this.#awaitedMs = limit;
      this.#handler.wheel.limit(this, Math.max(more, 0));
    } else if (this.exchange.committed) {
      this.#attempts.clientGone(this.exchange);
      this.abort();
    } else this.#refuse(ERRORS.REQUEST_TIMEOUT, 'body too slow');
  }

  holdBody(): void {
    if (this.exchange.bodyDone) return;
    this.#bodyRate?.hold(this.#handler.wheel.now);
    this.#handler.wheel.clear(this);
    this.#socket.pause();
  }

  /** Reads and drops the rest of an upload whose answer has been given. */
  #drain(bytes: Buffer, size: number): void {
    this.#drained += size;
    if (this.#drained > DRAIN_BYTES) return this.#linger();
    const result = this.#body.skip(bytes, 0, size);
    if (result === Parse.bad) return this.#linger();
    if (result !== Parse.done) return;
    this.exchange.bodyDone = true;
    if (this.#body.stop < size) this.#keep(bytes, this.#body.stop, size);
    this.#toNextRequest();
  }

  // ---- writing ----

  put(text: string): void {
    if (this.#raw !== null) this.#readRaw();
    this.#out = this.#out === '' ? text : this.#out + text;
  }

  putHead(bytes: Buffer, start: number, end: number): void {
    if (this.#out !== '' || this.#raw !== null) return this.put(bytes.latin1Slice(start, end));
    this.#raw = bytes;
    this.#rawStart = start;
    this.#rawEnd = end;
  }

  /** What was put as it came becomes text. */
  #readRaw(): void {
    this.#out = this.#raw!.latin1Slice(this.#rawStart, this.#rawEnd);
    this.#raw = null;
  }

  putBytes(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    this.exchange.bytesOut += size;
    if (this.#raw !== null) {
      // A body right behind its head: both leave in one piece.
      if (bytes === this.#raw && start === this.#rawEnd && end - this.#rawStart <= TEXT_BYTES) {
        this.#rawEnd = end;
        return;
      }
      this.#readRaw();
    }
    if (this.#out.length + size <= TEXT_BYTES) {
      this.put(bytes.latin1Slice(start, end));
      return;
    }
    const text = this.#out;
    this.#out = '';
    this.#socket.writeCopy(bytes, start, end, text);
  }

  flush(): boolean {
    const socket = this.#socket;
    if (this.#raw !== null) {
      const raw = this.#raw;
      this.#raw = null;
      socket.writeCopy(raw, this.#rawStart, this.#rawEnd);
    }
    if (this.#out !== '') {
      socket.write(this.#out, 'latin1');
      this.#out = '';
    }
    // `write` says false for a large chunk even when the kernel took all of it; the length does not lie.
    if (socket.writableLength < socket.writableHighWaterMark) return true;
    if (this.#stuckSince === 0) this.#stuckSince = this.#handler.wheel.now;
    if (this.#listener.config.timeouts.readRate > 0) {
      (this.#readRate ??= new LeastRate()).wait(this.#handler.wheel.now);
      this.#unread = socket.writableLength;
    }
    this.#handler.wheel.limit(this, this.#writeMs);
    return false;
  }

  onDrain(): void {
    this.#stuckSince = 0;
    if (this.#phase === Phase.exchange || this.#phase === Phase.tunnel) {
      if (this.#readRate !== null && this.#phase === Phase.exchange) {
        const { now } = this.#handler.wheel;
        if (!this.#readRate.moved(this.#unread, now, this.#listener.config.timeouts.readRate)) return this.#leave();
      }
      if (this.#phase === Phase.tunnel)
        this.#handler.wheel.limit(this, this.exchange.pool?.config.timeouts.tunnel ?? 0);
      else if (this.exchange.bodyDone || this.#socket.isPaused()) this.#handler.wheel.clear(this);
      else this.#awaitBody();
      (this.#upstream ?? this.exchange.upstream)?.resume();
    }
  }

  finished(): void {
    if (this.#phase !== Phase.exchange) return;
    this.flush();
    // Requests that came before a FIN are answered all the same, in their order (behaviours 60, 61).
    const last = this.#ended && this.#pending === null && !this.#parsing;
    const { bodyDone } = this.exchange;
    if (this.#close || last || (this.#switches && !bodyDone)) {
      this.#linger();
      return;
    }
    // A stop has begun behind the head of the response: the client may have sent its next request.
    if (this.#stopping) this.#idleUntil = this.#handler.wheel.at(this.#idleMs);
    if (!bodyDone) {
      this.#phase = Phase.drain;
      this.#drained = 0;
      this.#handler.wheel.set(this, DRAIN_MS);
      this.#socket.resume();
      return;
    }
    this.#toNextRequest();
  }

  #toNextRequest(): void {
    this.#phase = Phase.head;
    this.#switches = false;
    this.#readRate?.reset();
    // An idle connection is to take little memory.
    this.exchange.text = '';
    this.exchange.found.cookie = '';
    this.exchange.requestIdLine = '';
    this.#handler.wheel.set(this, this.#listener.config.timeouts.keepAlive);
    if (this.#socket.isPaused()) this.#socket.resume();
    // An answer of our own comes while #parse runs: that goes on with the rest by itself.
    if (this.#pending === null || this.#parsing) return;
    const bytes = this.#pending;
    this.#pending = null;
    this.#parse(bytes, bytes.length);
  }

  /** Ends our side and gives the client time to read it: closing with unread input would cut off our last words (RFC 9112 9.6). */
  #linger(): void {
    if (this.#phase === Phase.closed) return;
    this.#phase = Phase.closing;
    this.#pending = null;
    const socket = this.#socket;
    if (socket.writableLength === 0) {
      socket.end();
      this.#waitForFin();
    } else {
      // A client that reads slowly still gets the whole response; the time for our last words begins behind it.
      this.#handler.wheel.set(this, this.#lastMs);
      socket.end(() => this.#waitForFin());
    }
    socket.resume();
  }

  #waitForFin(): void {
    if (this.#phase === Phase.closed || this.#ended) this.#handler.wheel.clear(this);
    else this.#handler.wheel.set(this, LINGER_MS);
  }

  /** As #writeMs, of the last that is written: never without a limit. */
  get #lastMs(): number {
    return this.#writeMs || this.#listener.config.timeouts.keepAlive;
  }

  /** How long the client may take nothing of what is written to it; 0: no limit. */
  get #writeMs(): number {
    return this.exchange.pool?.config.timeouts.idle ?? this.#listener.config.timeouts.keepAlive;
  }

  abort(): void {
    this.#out = '';
    this.#raw = null;
    this.#socket.destroy();
  }

  cut(): void {
    if (this.#phase === Phase.closed) return;
    if (!this.chunks) {
      // To HTTP/1.0 the end of the connection may be the end of the body: a FIN would make it look whole.
      this.#out = '';
      this.#raw = null;
      this.#socket.resetAndDestroy();
      return;
    }
    this.flush();
    this.#phase = Phase.closing;
    this.#handler.wheel.set(this, LINGER_MS);
    this.#socket.destroySoon();
  }

  /**
   * A graceful stop begins, of the process or of the connection's listener. `closeIdle` is called on every tick from here on.
   * @param random in [0, 1): when a WebSocket is told, so that clients do not all come back to another process at once
   */
  stop({ grace, idle }: StopTimes, random: () => number): void {
    const { now } = this.#handler.wheel;
    this.#idleMs = idle;
    this.#idleUntil = this.#handler.wheel.at(idle);
    this.#goAwayAt = now + random() * SPREAD * grace;
    this.#urgentAt = now + URGENT * grace;
    this.closeIdle();
  }

  /**
   * At a graceful stop: ends the connection when it has been idle for long enough, as a client that knows nothing of the stop may have sent
   * a request; tells a WebSocket, and ends an event stream, when its time has come.
   */
  closeIdle(): void {
    const { due } = this.#handler.wheel;
    if (this.#phase === Phase.tunnel) return this.#goAway();
    if (this.#phase === Phase.exchange && this.exchange.endless && due >= this.#goAwayAt)
      return this.#attempts.endStream(this.exchange);
    if (this.#phase !== Phase.head || this.#pending !== null || due < this.#idleUntil) return;
    this.#linger();
    this.#endedIdle = true;
  }

  get held(): number {
    const { body, upstream } = this.exchange;
    let bytes = this.#socket.writableLength + (this.#pending?.length ?? 0) + this.#out.length;
    for (const piece of body) bytes += piece.length;
    return bytes + ((this.#upstream ?? upstream)?.unsent ?? 0);
  }

  get stuckMs(): number {
    return this.#stuckSince === 0 ? 0 : this.#handler.wheel.now - this.#stuckSince;
  }

  relieve(): void {
    if (this.#phase === Phase.head && this.#pending === null) this.#linger();
  }

  shed(): void {
    this.#out = '';
    this.#raw = null;
    this.#socket.resetAndDestroy();
  }

  #goAway(): void {
    const { now } = this.#handler.wheel;
    if (now < this.#goAwayAt) return;
    try {
      const urgent = now >= this.#urgentAt;
      this.#goAwayAt = urgent ? Number.POSITIVE_INFINITY : this.#urgentAt;
      this.#upstream!.goAway(urgent, CloseReason.goingAway);
    } catch (error) {
      this.#defect(error);
    }
  }

  /** The time for a graceful stop is over: a request that has no answer yet gets one, the rest is cut. May be called again. */
  stopNow(): void {
    const x = this.exchange;
    if (x.active && !x.committed) {
      this.#lastWords = true;
      this.#refuse(ERRORS.STOPPING, 'the time for a graceful stop is over');
    } else if (!this.#lastWords) this.#socket.destroy();
  }

  // ---- upgrade ----

  tunnel(upstream: Attempt): void {
    this.#phase = Phase.tunnel;
    this.#upstream = upstream;
    this.flush();
    this.#handler.wheel.limit(this, this.exchange.pool?.config.timeouts.tunnel ?? 0);
    const early = this.#pending;
    this.#pending = null;
    if (early !== null) {
      this.exchange.bytesIn += early.length;
      upstream.writeTunnel(early, early.length);
    }
    if (this.#ended) upstream.endTunnel();
    this.#socket.resume();
  }

  /** The backend's side of a tunnel has ended: pass the FIN on (behaviour 60). */
  endTunnel(): void {
    this.flush();
    this.#socket.end();
  }

  closeTunnel(): void {
    if (this.#phase !== Phase.tunnel) return;
    this.flush();
    this.#phase = Phase.closing;
    this.#handler.wheel.set(this, this.#socket.writableLength === 0 ? LINGER_MS : this.#lastMs);
    this.#socket.destroySoon();
  }

  /** Lets the client's bytes of a tunnel come again. */
  resumeTunnel(): void {
    this.#socket.resume();
  }

  // ---- ends ----

  onEnd(): void {
    try {
      this.#ended = true;
      if (this.#phase === Phase.tunnel) this.#upstream!.endTunnel();
      else if (this.#phase > Phase.drain) this.#socket.end();
      else this.#onEndOfRequests();
    } catch (error) {
      this.#defect(error);
    }
  }

  /** The client has sent FIN, and what is pending has been looked at. */
  #onEndOfRequests(): void {
    switch (this.#phase) {
      case Phase.head:
      case Phase.drain:
        // An unfinished head is no request: there is nobody left to tell.
        this.#linger();
        break;
      case Phase.exchange:
        // A body that breaks off is the client's doing (behaviour 35); after a whole request the answer still goes out (60).
        if (this.exchange.bodyDone && !this.#aborts) break;
        this.#leave();
        break;
      default:
        break;
    }
  }

  onPeerGone(reset: boolean): void {
    if (this.#phase !== Phase.exchange || !(reset || this.#aborts)) return;
    try {
      this.#leave();
    } catch (error) {
      this.#defect(error);
    }
  }

  /** A client that ends its side has left. */
  get #aborts(): boolean {
    return this.#listener.config.limits.halfClose === 'abort';
  }

  #leave(): void {
    this.#attempts.clientGone(this.exchange);
    this.abort();
  }

  /** What went wrong with a client's connection is the client's business. */
  onClose(error: NodeJS.ErrnoException | null): void {
    try {
      const was = this.#phase;
      this.#phase = Phase.closed;
      this.#handler.wheel.remove(this);
      this.#pending = null;
      this.#out = '';
      this.#raw = null;
      if (was === Phase.tunnel) this.#upstream!.clientClosed(error !== null);
      else if (this.exchange.active) this.#attempts.clientGone(this.exchange);
      const { owned } = this.exchange;
      if (owned !== null) for (const connections of owned) connections.closeOwned(this.exchange);
      this.#listener.closed(this, this.#peer);
    } catch (defect) {
      this.#attempts.defect(this.exchange, defect);
    }
  }

  onDeadline(): void {
    switch (this.#phase) {
      case Phase.head:
        if (this.#waitsForHead) this.#refuse(ERRORS.REQUEST_TIMEOUT, 'header block too slow');
        else this.#linger();
        break;
      case Phase.exchange:
        if (this.#socket.writableLength > 0) {
          // The client stopped reading in the middle of a response.
          this.#attempts.clientGone(this.exchange);
          this.abort();
        } else if (!this.exchange.bodyDone) this.#onSilentBody();
        break;
      case Phase.drain:
        this.#linger();
        break;
      case Phase.tunnel:
        if (this.#upstream!.tunnelIdle()) this.#socket.destroy();
        else this.#handler.wheel.limit(this, this.exchange.pool?.config.timeouts.tunnel ?? 0);
        break;
      default:
        this.#socket.destroy();
        break;
    }
  }

  forwardedLines(): string {
    const x = this.exchange;
    const via = VIA[this.#http2 ? 2 : x.minor === 0 ? 0 : 1];
    if (this.#peerTrusted) {
      return forwardedLines(this.#peer, true, this.secure, x.host, this.#handler.heads.latest) + via;
    }
    if (this.#forwarded === '' || this.#forwardedHost !== x.host || this.#forwardedVia !== via) {
      // Made anew for each host only, and as one flat string.
      this.#forwardedHost = x.host;
      this.#forwardedVia = via;
      this.#forwarded = Buffer.from(
        forwardedLines(this.#peer, false, this.secure, x.host, null) + via,
        'latin1',
      ).latin1Slice();
    }
    return this.#forwarded;
  }
}
