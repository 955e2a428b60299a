/**
 * The backend's side of an exchange.
 * Longer than 400 lines because it is one state machine: what each event does depends on all the others.
 */
import { OWN_LIMITS } from '../backends/own-limits.ts';
import { ERRORS } from '../errors.ts';
import type { Attempt } from '../exchange/attempt.ts';
import type { AttemptEvents } from '../exchange/attempt-events.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { Stage } from '../exchange/stage.ts';
import { ChunkedDecoder } from '../http1/chunked.ts';
import { Framing, type Head, Parse } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import type { ByteSocket, OpeningEvents } from '../sockets/byte-socket.ts';
import { openSocket } from '../sockets/open-socket.ts';
import { TEXT_BYTES } from '../sockets/text-bytes.ts';
import { Timed } from '../timing/timer-wheel.ts';
import type { CloseReason } from '../websocket/websocket-close.ts';
import { WebSocketTunnel } from '../websocket/websocket-tunnel.ts';
import { asksConnectionAuth } from './connection-auth.ts';
import type { BackendConnections } from './connections.ts';
import type { PooledConnection } from './pooled-connection.ts';
import { trailerLines } from './trailers.ts';
import { isWebSocket } from './tunnel.ts';

const Phase = {
  connecting: 0,
  idle: 1,
  head: 2,
  body: 3,
  tunnel: 4,
  lingering: 5,
  closed: 6,
  waiting: 7,
  kept: 8,
} as const;
/** Its part in ConnectQueue: none, being opened, open and silent. */
const Connecting = { none: 0, connecting: 1, silent: 2 } as const;

/** How a response body goes on to the client. */
const Relay = { none: 0, raw: 1, wire: 2, decoded: 3, rechunked: 4, rest: 5 } as const;

/** A unix socket whose backlog is full says so at once, where TCP tries again by itself: we try again after so long, ms. */
const NO_ROOM_MS = 50;
/** Response heads larger than this are BACKEND_PROTOCOL. */
const MAX_HEAD_BYTES = 262_144;
/** Fields of a trailer section. */
const MAX_FIELDS = 1_000;
/** A client waits about this long for 100 Continue before it sends its body all the same; so do we (RFC 9110 10.1.1). */
const CONTINUE_MS = 1_000;
/** With 1xx responses a backend may have so many times `timeouts.response` for its final one. */
const INTERIM_TIMES = 20;
/**
 * How long a connection is kept without use when the backend does not say: under the 5 s of Node, Apache and uvicorn,
 * so that their closing does not race with a request (behaviour 68).
 */
const IDLE_MS = 4_000;
/** Time for a backend to answer a Close frame when its client has gone before it. */
const LINGER_MS = 2_000;
/** Time for what is still on its way to the backend after a tunnel, where `timeouts.idle` sets none. */
const LAST_BYTES_MS = 60_000;

/** A connection to a backend, HTTP/1.1 for whoever looks from here. Carries one exchange at a time. */
export class Upstream extends Timed implements OpeningEvents, Attempt, PooledConnection<Upstream> {
  readonly connections: BackendConnections<Upstream>;
  nextBusy: Upstream | null = null;
  previousBusy: Upstream | null = null;
  nextWaiting: Upstream | null = null;
  previousWaiting: Upstream | null = null;
  /** What the connection began with, see BackendDialer. */
  readonly preamble: string = '';
  /** It has carried an exchange before (behaviour 30). */
  reused = false;

  readonly #handler: AttemptEvents;
  /** Not there while it waits for its turn to connect. */
  #socket!: ByteSocket;
  #phase: number = Phase.connecting;
  #connecting: number = Connecting.none;
  #connectPeriod = 0;
  /** When it has to be open, by `wheel.due`. */
  #openBy = 0;
  /** It waits for room in the backlog of a unix socket. */
  #full = false;
  #exchange: Exchange | null = null;
  /** Of the client's connection that this one belongs to: somebody has said here who he is. Null: it is anybody's. */
  #owner: Exchange | null = null;
  /** Address of that client. */
  ownerAddress = '';
  /** Bytes of a response head that is not complete. */
  #held: Buffer | null = null;
  #relay: number = Relay.none;
  #framing: number = Framing.none;
  #left = 0;
  #decoder: ChunkedDecoder | null = null;
  #keepAlive = false;
  #idleMs = IDLE_MS;
  /** The backend has said for how long it keeps it. */
  #endsSoon = false;
  /** Since when it lies idle, by performance.now, or before that: its last answer may have waited for limpet through a pause. */
  #idleSince = 0;
  #requestHead = '';
  /** Number of pieces of the exchange's body that have been written. */
  #sentPieces = 0;
  /** All that has been sent of the request left in one small write. */
  #onePiece = false;
  /** Nothing of the request has been sent: its first and only write was refused whole. */
  #refused = false;
  /** The request head has been handed to the socket. */
  #sent = false;
  #awaitsContinue = false;
  /** When the first 1xx response came; 0: none has. By `wheel.now`. */
  #interimSince = 0;
  #ended = false;
  #lastByteAt = 0;
  /** Of a tunnel that carries a WebSocket. */
  #websocket: WebSocketTunnel | null = null;
  /** The number of the backend's life when it was asked. */
  #life = 0;
  /** What a refusal of this connection would speak against, see BackendSigns. */
  #begun = 0;
  /** Counted among those that stand. */
  #stands = false;
  /** How often the id of the backend's process had changed when it was opened. */
  #bootFlips = 0;
  /** It ends by itself, and not by our doing. */
  #lost = false;

  /** @param x the first exchange that it is to carry */
  constructor(connections: BackendConnections<Upstream>, handler: AttemptEvents, x: Exchange) {
    super();
    this.connections = connections;
    this.#handler = handler;
    const { connectQueue, dialer } = connections;
    if (dialer !== null) this.preamble = dialer.preamble(x);
    if (connectQueue.free || (dialer?.isOpen(x) ?? false)) this.#open(x);
    else this.#phase = Phase.waiting;
  }

  #open(x: Exchange): void {
    const { backend, dialer, connectQueue, signs } = this.connections;
    this.#begun = signs === null ? 0 : signs.begins(backend);
    const socket =
      dialer === null ? openSocket(backend, '', this, x.pool!.config.timeouts.tcpKeepAlive) : dialer.dial(x, this);
    this.#socket = socket;
    if (dialer !== null && !socket.connecting) {
      // A stream of a session that has served before: what may happen to it may happen to a connection that lay idle.
      this.#phase = Phase.idle;
      this.reused = true;
    } else {
      this.#phase = Phase.connecting;
      this.#connecting = Connecting.connecting;
      connectQueue.began();
    }
  }

  /** Bytes of a request, or of a tunnel, that the backend has not taken. */
  get unsent(): number {
    return this.#phase === Phase.waiting ? 0 : this.#socket.writableLength;
  }

  get exchange(): Exchange | null {
    return this.#exchange;
  }

  // ---- sending ----

  /** Sends the request of `x` with this head, now or once connected. */
  start(x: Exchange, head: string): void {
    this.#exchange = x;
    if (x.personal) this.#own(x);
    this.#life = this.connections.backend.life.current;
    this.#requestHead = head;
    this.#sentPieces = 0;
    this.#sent = false;
    // A client that has sent some of its body does not wait for a word.
    this.#awaitsContinue = x.expectsContinue && !x.continued && x.body.length === 0;
    this.#interimSince = 0;
    this.connections.addBusy(this);
    this.#go(x);
  }

  #go(x: Exchange): void {
    const { wheel } = this.#handler;
    const { timeouts } = x.pool!.config;
    switch (this.#phase) {
      case Phase.connecting:
        this.#openBy = wheel.at(timeouts.connect);
        wheel.set(this, timeouts.connect);
        break;
      case Phase.waiting:
        // Where nobody is to wait for a full backend, a turn may still take as long as a connect.
        wheel.set(this, timeouts.queue || timeouts.connect);
        this.connections.connectQueue.wait(this);
        break;
      default:
        this.#send(x);
        break;
    }
  }

  /** Its turn to connect has come. */
  connectNow(): void {
    const x = this.#exchange;
    if (x === null || this.#phase !== Phase.waiting) return;
    try {
      this.#handler.wheel.remove(this);
      this.#open(x);
      this.#go(x);
    } catch (error) {
      this.#defect(error);
    }
  }

  /** Whether its request, which waits for a turn to connect, can go out on this connection, which has served before. */
  canReuse(upstream: Upstream): boolean {
    return this.preamble === upstream.preamble && this.#exchange?.newConnectionOnly === false;
  }

  /**
   * Whether an idle connection may still be used. Its deadline counts no pause of limpet's own, but the backend has not waited.
   * @param now by performance.now; may lie behind
   */
  isFresh(now: number): boolean {
    return Math.max(now, this.#handler.wheel.lookedAt) - this.#idleSince < this.#idleMs && this.isOpen(now);
  }

  /** Whether an idle connection still is one: where limpet stood still meanwhile nobody may have told yet that it has closed. */
  isOpen(now: number): boolean {
    const { wheel } = this.#handler;
    if (wheel.paused(this.#idleSince, Math.max(now, wheel.lookedAt))) this.#socket.look();
    // Of one that was reset we are told when it has closed.
    return this.#phase === Phase.idle && !this.#socket.destroyed;
  }

  /** This connection has come free: it takes the request over that has waited longest to connect. False: there is none for it. */
  #takeOver(): boolean {
    const { connectQueue, backend } = this.connections;
    // Taken out a moment ago: those that wait are about to be told.
    if (!this.#handler.isUsable(backend)) return false;
    const waiting = connectQueue.nextFor(this);
    if (waiting === null) return false;
    const x = waiting.#exchange!;
    const head = waiting.#requestHead;
    waiting.abandon();
    x.upstream = this;
    this.start(x, head);
    return true;
  }

  /** What this connection has been to ConnectQueue is over. */
  #endConnecting(): void {
    const was = this.#connecting;
    this.#connecting = Connecting.none;
    if (was === Connecting.connecting) this.connections.connectQueue.failed();
    else if (was === Connecting.silent) this.connections.connectQueue.firstByte(this.#connectPeriod);
  }

  onOpen(socket: ByteSocket): void {
    try {
      this.#socket = socket;
      this.#stand();
      if (this.#connecting === Connecting.connecting) {
        this.#connecting = Connecting.silent;
        this.#connectPeriod = this.connections.connectQueue.opened(this.#handler.wheel);
      }
      const x = this.#exchange;
      if (x === null) this.close();
      else this.#send(x);
    } catch (error) {
      this.#defect(error);
    }
  }

  /** The backlog of a unix socket is full: the backend has as long to take this connection as over TCP. */
  #waitForRoom(): void {
    this.#full = true;
    this.#phase = Phase.connecting;
    this.#handler.wheel.set(this, NO_ROOM_MS);
  }

  #connectAgain(x: Exchange): void {
    const { wheel } = this.#handler;
    this.#full = false;
    try {
      wheel.set(this, Math.max(this.#openBy - wheel.now, 0));
      this.#open(x);
    } catch (error) {
      this.#defect(error);
    }
  }

  #stand(): void {
    const { signs, backend } = this.connections;
    if (signs === null) return;
    this.#stands = true;
    this.#bootFlips = signs.boots.flips(backend.slot);
    signs.opened(backend);
    // Before the request is sent: a server with one thread may be waiting there.
    this.connections.letGo();
  }

  /** It stands no more. */
  #fall(): void {
    if (!this.#stands) return;
    this.#stands = false;
    const { signs, backend, retired } = this.connections;
    signs!.closed(backend, this.#lost && !retired);
  }

  #send(x: Exchange): void {
    this.#phase = Phase.head;
    this.#sent = true;
    const head = this.#requestHead;
    this.#requestHead = '';
    const socket = this.#socket;
    const body = x.body;
    this.#onePiece =
      body.length === 0 || this.#awaitsContinue || (body.length === 1 && body[0]!.length + head.length <= TEXT_BYTES);
    if (body.length === 0 || this.#awaitsContinue) {
      socket.write(head, 'latin1');
    } else if (this.#onePiece) {
      this.#sentPieces = 1;
      socket.write(head + body[0]!.latin1Slice(), 'latin1');
      this.#forget(x);
    } else {
      socket.cork();
      socket.write(head, 'latin1');
      this.#writePieces(x);
      socket.uncork();
    }
    if (this.#awaitsContinue) {
      this.#handler.wheel.set(this, CONTINUE_MS);
      // It may not wait: what comes goes on.
      x.client.readBody();
      return;
    }
    this.#handler.wheel.set(this, x.pool!.config.timeouts.response);
    if (!x.bodyDone) this.#askForMore(x);
  }

  /** More of the request body has come. */
  sendBody(): void {
    const x = this.#exchange;
    if (x === null || !this.#sent || this.#phase === Phase.closed) return;
    this.#awaitsContinue = false;
    this.#writePieces(x);
    this.#afterBody(x);
  }

  #afterBody(x: Exchange): void {
    if (this.#phase === Phase.head) this.#handler.wheel.set(this, x.pool!.config.timeouts.response);
    if (!x.bodyDone) this.#askForMore(x);
  }

  /** Whether more of a request body that is not kept can be handed to `sendCopy`. */
  get takesCopies(): boolean {
    const x = this.#exchange;
    const open = x !== null && this.#sent && !this.#awaitsContinue && this.#phase !== Phase.closed;
    return open && x.body.length === 0;
  }

  /** As sendBody, of bytes that are not in the exchange: only when `takesCopies`. */
  sendCopy(bytes: Buffer, from: number, end: number): void {
    this.#onePiece = false;
    if (end > from) this.#socket.writeCopy(bytes, from, end);
    this.#afterBody(this.#exchange!);
  }

  #writePieces(x: Exchange): void {
    const body = x.body;
    if (this.#sentPieces < body.length) this.#onePiece = false;
    while (this.#sentPieces < body.length) {
      const piece = body[this.#sentPieces++]!;
      this.#socket.write(piece);
    }
    this.#forget(x);
  }

  /** Drops the pieces that have been sent once the body is too large to be kept for a retry. */
  #forget(x: Exchange): void {
    if (x.replayable && x.bodyBytes > x.pool!.config.retry.bodyBuffer) x.replayable = false;
    if (!x.replayable) {
      x.body.length = 0;
      this.#sentPieces = 0;
    }
  }

  #askForMore(x: Exchange): void {
    if (this.#socket.writableLength >= this.#socket.writableHighWaterMark) x.client.holdBody();
    else x.client.readBody();
  }

  /**
   * A server may answer before it has read all of a request, and close with the rest unread (RFC 9112 9.6): its answer lies here.
   * What lies here before anything was sent is no answer.
   */
  onWriteFailed(whole: boolean): boolean {
    this.#refused = whole && this.#onePiece && this.#phase === Phase.head;
    return !this.#refused;
  }

  onDrain(): void {
    const x = this.#exchange;
    if (x === null) return;
    if (this.#phase === Phase.tunnel) x.client.resumeTunnel();
    else if (!x.bodyDone && this.#sent && !this.#awaitsContinue) x.client.readBody();
  }

  // ---- receiving ----

  onBytes(size: number, bytes: Buffer): boolean {
    try {
      switch (this.#phase) {
        case Phase.head:
          if (this.#exchange!.upgrade !== '') return this.#readAnswerToUpgrade(this.#exchange!, size, bytes);
          return this.#readHead(size, bytes);
        case Phase.body: {
          const x = this.#exchange!;
          x.answeredAt = 0;
          this.#handler.wheel.limit(this, x.pool!.config.timeouts.idle);
          const more = this.#relayBody(x, bytes, 0, size);
          if (!more) return false;
          return this.#phase === Phase.body ? this.#flush(x) : true;
        }
        case Phase.tunnel:
          this.#lastByteAt = this.#handler.wheel.now;
          return this.#relayTunnel(this.#exchange!, bytes, 0, size);
        case Phase.lingering:
          return true;
        default:
          // Nobody asked for these bytes: they must not become the answer to the next request.
          this.close();
          return false;
      }
    } catch (error) {
      this.#defect(error);
      return false;
    }
  }

  #flush(x: Exchange): boolean {
    const flowing = x.client.flush();
    // While the client is slow, silence of the backend is not the backend's fault.
    if (!flowing) this.#handler.wheel.clear(this);
    return flowing;
  }

  /**
   * As #readHead. What the client has sent before this answer, in hope of another protocol, has to be known as such before it is answered, also
   * when it lies in its socket still. Reading it takes the place of `bytes`.
   */
  #readAnswerToUpgrade(x: Exchange, size: number, bytes: Buffer): boolean {
    const copy = Buffer.from(bytes.subarray(0, size));
    x.client.readAhead();
    // Its client may have left.
    return this.#exchange === x && this.#readHead(size, copy);
  }

  #readHead(size: number, bytes: Buffer): boolean {
    if (this.#connecting !== Connecting.none) this.#endConnecting();
    let data = bytes;
    let end = size;
    if (this.#held !== null) {
      data = Buffer.concat([this.#held, bytes.subarray(0, size)]);
      end = data.length;
      this.#held = null;
    }
    let from = 0;
    for (;;) {
      const x = this.#exchange!;
      const head = this.#handler.responseHead();
      const result = head.parseResponse(data, from, end);
      if (result === Parse.more) {
        if (end - from > MAX_HEAD_BYTES) return this.#malformed('response head too large');
        this.#held = Buffer.from(data.subarray(from, end));
        // 1xx responses that came before it do not wait for the rest.
        return from === 0 || this.#flush(x);
      }
      if (result !== Parse.done)
        return this.#malformed(result === Parse.tooMany ? 'too many response headers' : head.problem);
      from += head.consumed;
      if (head.has(HeaderId.limpetBackend)) this.connections.heardBoot(bootField(head), this.#life, this.#bootFlips);
      if (head.status >= 200) return this.#final(x, head, data, from, end);
      if (head.status === 101) return this.#switch(x, head, data, from, end);
      this.#interim(x, head);
      if (from === end) return this.#flush(x);
    }
  }

  /** A 1xx response: passed on in order, to HTTP/1.1 only (RFC 9110 15.2, behaviour 56). */
  #interim(x: Exchange, head: Head): void {
    const isContinue = head.status === 100;
    if (x.minor === 1 && !(isContinue && x.continued)) this.#handler.onInterim(x, head);
    if (isContinue) {
      x.continued = true;
      if (this.#awaitsContinue) this.sendBody();
    }
    if (!this.#awaitsContinue) this.#awaitLonger(x);
  }

  /** The backend has said that it is at work: the time for its response begins anew, up to a bound. */
  #awaitLonger(x: Exchange): void {
    const { wheel } = this.#handler;
    const { response } = x.pool!.config.timeouts;
    if (this.#interimSince === 0) this.#interimSince = wheel.now;
    const left = this.#interimSince + INTERIM_TIMES * response - wheel.now;
    if (left > 0) wheel.set(this, Math.min(left, response));
  }

  #switch(x: Exchange, head: Head, data: Buffer, from: number, end: number): boolean {
    this.connections.backend.life.answer(this.#life);
    if (x.upgrade === '') return this.#malformed('101 that nobody asked for');
    // RFC 9110 7.8: the new protocol begins behind a request that has been sent whole.
    if (!x.bodyDone || this.#sentPieces < x.body.length) return this.#malformed('101 before the request was whole');
    this.#phase = Phase.tunnel;
    this.#lastByteAt = this.#handler.wheel.now;
    this.#handler.wheel.clear(this);
    const answered = head.upgradeLine < 0 ? x.upgrade : head.value(head.upgradeLine);
    if (isWebSocket(x.upgrade, answered)) this.#websocket = new WebSocketTunnel();
    if (!this.#handler.onSwitch(x, this, head)) return false;
    return end === from || this.#relayTunnel(x, data, from, end);
  }

  /** Passes the backend's bytes of a tunnel on. False: the client reads slowly. */
  #relayTunnel(x: Exchange, bytes: Buffer, from: number, to: number): boolean {
    const websocket = this.#websocket;
    const end = websocket === null ? to : websocket.fromBackend.pass(bytes, from, to);
    if (end > from) x.client.putBytes(bytes, from, end);
    if (websocket === null || !websocket.goingAway) return x.client.flush();
    websocket.step(x.client, this.#socket);
    return x.client.flush() || websocket.fromBackend.done;
  }

  #final(x: Exchange, head: Head, data: Buffer, from: number, end: number): boolean {
    this.connections.backend.life.answer(this.#life);
    const framing = head.responseFraming(x.method);
    const chunks = x.client.chunks;
    this.#framing = framing;
    this.#left = framing === Framing.length ? head.contentLength : 0;
    this.#keepAlive = head.keepAlive && framing !== Framing.untilClose && !announcesBodyInVain(head);
    this.#idleMs = idleMs(head);
    this.#endsSoon = head.has(HeaderId.keepAlive);
    if (this.connections.keeps && asksConnectionAuth(head)) this.#own(x);
    let towards: number = framing;
    switch (framing) {
      case Framing.none:
        this.#relay = Relay.none;
        break;
      case Framing.length:
        this.#relay = Relay.raw;
        break;
      case Framing.chunked:
        this.#relay = chunks ? Relay.wire : Relay.decoded;
        towards = chunks ? Framing.chunked : Framing.untilClose;
        this.#decoder ??= new ChunkedDecoder();
        this.#decoder.reset(chunks, MAX_HEAD_BYTES, true);
        break;
      default:
        // Chunked towards the client: then it can tell the end from a break (RFC 9112 8).
        this.#relay = chunks ? Relay.rechunked : Relay.raw;
        towards = chunks ? Framing.chunked : Framing.untilClose;
        break;
    }
    // Chunked framing that is broken in the very read that brings the head can still be a clean 502.
    if (framing === Framing.chunked && end > from) {
      const decoder = this.#decoder!;
      const result = decoder.feed(data, from, end);
      if (result === Parse.bad) return this.#malformed(decoder.problem);
      if (result === Parse.done && trailerLines(decoder.trailers, MAX_FIELDS) === null)
        return this.#malformed('malformed trailer section');
      decoder.reset(chunks, MAX_HEAD_BYTES, true);
    }
    if (!this.#handler.onResponse(x, this, head, towards)) return false;
    this.#phase = Phase.body;
    if (framing === Framing.none) {
      this.#complete(x, from === end);
      return true;
    }
    this.#handler.wheel.limit(this, x.pool!.config.timeouts.idle);
    if (from < end && !this.#relayBody(x, data, from, end)) return false;
    return this.#phase === Phase.body && this.#exchange === x ? this.#flush(x) : true;
  }

  /** Hands bytes[from, to) of the body on. False: the connection is of no use any more. */
  #relayBody(x: Exchange, bytes: Buffer, from: number, to: number): boolean {
    const client = x.client;
    switch (this.#relay) {
      case Relay.raw:
        if (this.#framing === Framing.untilClose) {
          client.putBytes(bytes, from, to);
          return true;
        }
        {
          const take = Math.min(this.#left, to - from);
          this.#left -= take;
          client.putBytes(bytes, from, from + take);
          if (this.#left === 0) this.#complete(x, from + take === to);
          return this.#phase !== Phase.closed;
        }
      case Relay.rechunked:
        client.put(`${(to - from).toString(16)}\r\n`);
        client.putBytes(bytes, from, to);
        client.put('\r\n');
        return true;
      case Relay.rest:
        return this.#relayRest(x, bytes, from, to);
      default: {
        const decoder = this.#decoder!;
        const result = decoder.feed(bytes, from, to);
        if (result === Parse.bad) return this.#malformed(decoder.problem);
        for (let i = 0; i < decoder.count; i++) {
          const before = decoder.before[i]!;
          if (before !== '') client.put(before);
          if (decoder.end[i]! > decoder.start[i]!) client.putBytes(bytes, decoder.start[i]!, decoder.end[i]!);
        }
        if (result === Parse.done) {
          const lines = trailerLines(decoder.trailers, MAX_FIELDS);
          if (lines === null) return this.#malformed('malformed trailer section');
          if (this.#relay === Relay.wire) client.put(lines === '' ? '0\r\n\r\n' : `0\r\n${lines}\r\n`);
          this.#complete(x, decoder.stop === to);
        }
        return this.#phase !== Phase.closed;
      }
    }
  }

  /**
   * Called while `onResponse` runs: this response brings the rest of one that broke, whose head the client has (behaviour 50).
   * @param left bytes to come; the client counts on them, however this backend frames them
   */
  continueBody(left: number): void {
    this.#left = left;
    if (this.#framing === Framing.chunked) {
      this.#relay = Relay.rest;
      this.#decoder!.reset(false, MAX_HEAD_BYTES, true);
    } else {
      this.#relay = Relay.raw;
      this.#framing = Framing.length;
    }
  }

  /** As #relayBody, of a chunked body that takes the place of one with a length. */
  #relayRest(x: Exchange, bytes: Buffer, from: number, to: number): boolean {
    const decoder = this.#decoder!;
    const result = decoder.feed(bytes, from, to);
    if (result === Parse.bad) return this.#malformed(decoder.problem);
    for (let i = 0; i < decoder.count; i++) {
      const start = decoder.start[i]!;
      const take = Math.min(this.#left, decoder.end[i]! - start);
      this.#left -= take;
      if (take > 0) x.client.putBytes(bytes, start, start + take);
    }
    if (this.#left === 0) this.#complete(x, result === Parse.done && decoder.stop === to);
    else if (result === Parse.done) return this.#malformed('fewer bytes than its Content-Range has');
    return this.#phase !== Phase.closed;
  }

  /** The response is whole. @param clean nothing came behind it */
  #complete(x: Exchange, clean: boolean): void {
    this.#release(x);
    // A request that is still being sent, or bytes behind the response: this connection's state is unknown.
    const done = x.bodyDone && this.#sentPieces === x.body.length;
    const { connectQueue } = this.connections;
    const usable = clean && this.#keepAlive && done && !this.#ended;
    if (usable && this.#owner !== null && !this.connections.retired && !x.client.multiplexed) {
      this.reused = true;
      this.#phase = Phase.idle;
      this.#idleSince = this.#handler.wheel.heardUntil;
      // It lasts as long as the client's: on another one that would have to say anew who he is.
      this.#handler.wheel.clear(this);
      this.connections.keepOwned(this, x);
    } else if (usable && this.#owner === null && this.#idleMs > 0 && this.connections.keeps) {
      this.reused = true;
      this.#phase = Phase.idle;
      this.#idleSince = this.#handler.wheel.heardUntil;
      this.#handler.wheel.set(this, this.#idleMs);
      if (connectQueue.first !== null) return this.#completeForNext(x);
      this.connections.keep(this);
    } else {
      this.close();
      // A stream of a session that carries several has come free.
      if (connectQueue.first !== null) connectQueue.wake();
    }
    this.#handler.onComplete(x);
  }

  /** The same while requests wait for a connection: they come before one that this client may have sent already. */
  #completeForNext(x: Exchange): void {
    this.#handler.onComplete(x);
    if (!this.connections.keeps) this.close();
    else if (!this.#takeOver()) this.connections.keep(this);
  }

  #release(x: Exchange): void {
    this.#exchange = null;
    x.upstream = null;
    this.connections.removeBusy(this);
  }

  #malformed(problem: string): boolean {
    this.#fail(this.#phase === Phase.body ? Stage.committed : Stage.exchange, 'BACKEND_PROTOCOL', problem);
    return false;
  }

  /** Reads on after the client has taken what it was sent. */
  resume(): void {
    const x = this.#exchange;
    if (x !== null && this.#phase === Phase.body) this.#handler.wheel.limit(this, x.pool!.config.timeouts.idle);
    else if (x !== null && this.#phase === Phase.head && !this.#awaitsContinue)
      this.#handler.wheel.set(this, x.pool!.config.timeouts.response);
    // The client has taken what another connection brought, while this one waits for its turn to bring the rest.
    if (this.#phase !== Phase.waiting) this.#socket.resume();
  }

  // ---- ends ----

  onEnd(): void {
    try {
      this.#ended = true;
      // In good order where the end of the response is the connection's.
      this.#lost = this.#phase !== Phase.body || this.#framing !== Framing.untilClose;
      const x = this.#exchange;
      if (x === null) this.close();
      else if (this.#phase === Phase.tunnel) this.#endOfTunnel(x);
      else if (this.#phase === Phase.body && this.#framing === Framing.untilClose) {
        x.answeredAt = 0;
        if (this.#relay === Relay.rechunked) x.client.put('0\r\n\r\n');
        this.#complete(x, true);
      } else if (!this.#sent) this.#fail(Stage.connect, 'BACKEND_CONNECT', 'closed in the handshake');
      else this.#fail(this.#phase === Phase.body ? Stage.committed : Stage.exchange, 'BACKEND_RESET', 'closed');
    } catch (error) {
      this.#defect(error);
    }
  }

  #noteRefusal(error: Error): void {
    const { signs, backend, retired } = this.connections;
    if (signs !== null && !retired) signs.refused(backend, this.#begun, error);
  }

  #endOfTunnel(x: Exchange): void {
    const websocket = this.#websocket;
    websocket?.backendEnds();
    if (websocket?.goingAway) websocket.step(x.client, this.#socket);
    else x.client.endTunnel();
  }

  onClose(error: NodeJS.ErrnoException | null): void {
    try {
      const phase = this.#phase;
      this.#phase = Phase.closed;
      this.#handler.wheel.remove(this);
      if (this.#connecting !== Connecting.none) this.#endConnecting();
      if (phase !== Phase.closed && phase !== Phase.lingering) this.#lost = true;
      if (phase === Phase.idle) this.#drop();
      else if (phase === Phase.kept) this.connections.lostLifeline();
      else if (phase === Phase.connecting && error !== null) this.#noteRefusal(error);
      this.#fall();
      const x = this.#exchange;
      if (x === null) return;
      if (phase === Phase.connecting && error?.code === 'EAGAIN') return this.#waitForRoom();
      if (phase === Phase.tunnel) {
        if (this.#websocket?.backendClosed(x.client, this.#socket)) return;
        this.#release(x);
        this.#handler.onTunnelClosed(x, error !== null);
        return;
      }
      this.#phase = phase;
      const why = error?.code ?? 'closed';
      if (!this.#sent) this.#fail(Stage.connect, OWN_LIMITS.has(why) ? 'INTERNAL' : 'BACKEND_CONNECT', why);
      // The backend has said that it has not looked at the request (RFC 9113 8.7).
      else if (why === 'REFUSED_STREAM' && phase === Phase.head) this.#fail(Stage.connect, 'BACKEND_RESET', why);
      else if (this.#refused) this.#fail(Stage.connect, 'BACKEND_RESET', why);
      else this.#fail(phase === Phase.body ? Stage.committed : Stage.exchange, 'BACKEND_RESET', why);
    } catch (defect) {
      this.#defect(defect);
    }
  }

  /** Ends the attempt with a failure of the backend's. */
  #fail(
    stage: number,
    code: 'INTERNAL' | 'BACKEND_CONNECT' | 'BACKEND_RESET' | 'BACKEND_PROTOCOL' | 'BACKEND_TIMEOUT',
    why: string,
  ): void {
    const x = this.#exchange;
    const reused = this.reused;
    if (x !== null) this.#release(x);
    this.close();
    if (x !== null)
      this.#handler.onFailure(
        x,
        stage,
        ERRORS[code],
        why,
        reused && stage !== Stage.committed && code === 'BACKEND_RESET',
      );
  }

  #defect(error: unknown): void {
    const x = this.#exchange;
    if (x !== null) this.#release(x);
    this.close();
    this.#handler.defect(x, error);
    x?.client.abort();
  }

  /** Its turn to connect has not come. */
  #giveUp(timedOut: boolean): void {
    const x = this.#exchange!;
    this.abandon();
    this.#handler.onNoTurn(x, timedOut);
  }

  /** The client has left, or the attempt is given up: nothing of this connection can be used again. */
  abandon(): void {
    const x = this.#exchange;
    if (x !== null) this.#release(x);
    this.close();
  }

  #own(x: Exchange): void {
    this.#owner = x;
    this.ownerAddress = x.client.address;
  }

  /** It is not one of the idle ones any more. */
  #drop(): void {
    if (this.#owner === null) this.connections.drop(this);
    else this.connections.dropOwned(this, this.#owner);
  }

  /** Closes the connection; its exchange, when it has one, has been dealt with. */
  close(): void {
    const phase = this.#phase;
    if (phase === Phase.idle) this.#drop();
    else if (phase === Phase.kept) this.connections.lostLifeline();
    this.#phase = Phase.closed;
    this.#handler.wheel.remove(this);
    if (phase === Phase.waiting) return this.connections.connectQueue.leave(this);
    this.#socket.destroy();
    this.#fall();
    if (this.#connecting !== Connecting.none) this.#endConnecting();
  }

  onDeadline(): void {
    const x = this.#exchange;
    switch (this.#phase) {
      case Phase.connecting:
        if (this.#full && this.#handler.wheel.due < this.#openBy) this.#connectAgain(x!);
        else this.#fail(Stage.connect, 'BACKEND_CONNECT', 'connect timed out');
        break;
      case Phase.waiting:
        this.#giveUp(true);
        break;
      case Phase.head:
        if (x !== null && this.#awaitsContinue) this.sendBody();
        // The backend has taken all that there is of a request of which its client owes the rest: it is not the one who is late.
        else if (x !== null && !x.bodyDone && this.#socket.writableLength < this.#socket.writableHighWaterMark)
          this.#handler.wheel.set(this, x.pool!.config.timeouts.response);
        else this.#fail(Stage.exchange, 'BACKEND_TIMEOUT', 'response');
        break;
      case Phase.body:
        this.#fail(Stage.committed, 'BACKEND_TIMEOUT', 'idle');
        break;
      case Phase.idle:
        // One that the backend is about to close tells nothing by its end.
        if (!this.#endsSoon && this.connections.keepForItsEnd(this)) {
          this.#drop();
          this.#phase = Phase.kept;
        } else this.close();
        break;
      default:
        this.close();
        break;
    }
  }

  /** The backend was taken out: gives up waiting for its response head. Says nothing against it that is not known. */
  takeBack(): void {
    if (this.#phase === Phase.waiting) this.#giveUp(false);
    else if (this.#phase === Phase.connecting) this.#fail(Stage.connect, 'BACKEND_CONNECT', 'taken out');
    else if (this.#phase === Phase.head) this.#fail(Stage.exchange, 'BACKEND_TIMEOUT', 'taken out');
  }

  /** Waits for response headers: a retry elsewhere is still possible. */
  get waiting(): boolean {
    return this.#phase === Phase.head || this.connecting;
  }

  /** The connection is not open yet: nothing has been sent. */
  get connecting(): boolean {
    return this.#phase === Phase.connecting || this.#phase === Phase.waiting;
  }

  // ---- tunnel ----

  /** Passes bytes[0, size) of the client's side of a tunnel on; they are copied. False: the backend reads slowly. */
  writeTunnel(bytes: Buffer, size: number): boolean {
    this.#lastByteAt = this.#handler.wheel.now;
    const socket = this.#socket;
    const websocket = this.#websocket;
    const end = websocket === null ? size : websocket.fromClient.pass(bytes, 0, size);
    socket.writeCopy(bytes, 0, end);
    if (websocket?.goingAway) {
      websocket.step(this.#exchange!.client, socket);
      if (websocket.fromClient.done) return true;
    }
    return socket.writableLength < socket.writableHighWaterMark;
  }

  /** The client's side of a tunnel has sent FIN: passed on (behaviour 60). */
  endTunnel(): void {
    const websocket = this.#websocket;
    websocket?.clientEnds();
    if (websocket?.goingAway) websocket.step(this.#exchange!.client, this.#socket);
    else this.#socket.end();
  }

  /** A tunnel that carries a WebSocket begins to close, as WebSocketTunnel has it; any other goes on. False: it is another one. */
  goAway(urgent: boolean, reason: CloseReason): boolean {
    const x = this.#exchange;
    if (x === null || this.#websocket === null) return false;
    this.#websocket.goAway(urgent, reason, x.client, this.#socket);
    return true;
  }

  /** The client's connection is gone: so is this one, and the exchange is over. */
  clientClosed(reset: boolean): void {
    const x = this.#exchange;
    if (x === null) return;
    const told = this.#websocket?.clientClosed(x.client, this.#socket) ?? false;
    this.#release(x);
    if (this.#phase === Phase.tunnel) {
      // After a FIN of both sides what is still on its way to the backend gets there; after an RST nobody wants it.
      if (reset && !told) this.close();
      else this.#linger(told ? LINGER_MS : x.pool!.config.timeouts.idle || LAST_BYTES_MS, told);
    }
    this.#handler.onTunnelClosed(x, reset);
  }

  /**
   * Closes the connection once what was written has gone out.
   * @param answers the backend is going to answer a Close frame: closing before it has could undo that frame with a reset
   */
  #linger(ms: number, answers: boolean): void {
    this.#phase = Phase.lingering;
    this.#handler.wheel.set(this, ms);
    if (!answers) return this.#socket.destroySoon();
    this.#socket.end();
    this.#socket.resume();
  }

  /** No byte in either direction for the tunnel timeout. */
  tunnelIdle(): boolean {
    const timeout = this.#exchange?.pool?.config.timeouts.tunnel ?? 0;
    return timeout > 0 && this.#handler.wheel.due - this.#lastByteAt >= timeout;
  }
}

/**
 * A body that these statuses cannot have is announced all the same: a backend that sends it would have it taken for the answer to the next request.
 * A Content-Length in a 304 is that of the 200, and usual.
 */
function announcesBodyInVain(head: Head): boolean {
  return (head.status === 204 && (head.chunked || head.contentLength > 0)) || (head.status === 304 && head.chunked);
}

/** The `Limpet-Backend` field of a response; of several lines, as one (RFC 9110 5.3). */
function bootField(head: Head): string {
  const first = head.findId(HeaderId.limpetBackend);
  let text = head.value(first);
  for (let i = first; (i = head.findId(HeaderId.limpetBackend, i + 1)) >= 0; ) text += `, ${head.value(i)}`;
  return text;
}

/** How long this connection may lie idle: under what the backend says in Keep-Alive: timeout=N, if it says it. */
function idleMs(head: Head): number {
  if (!head.has(HeaderId.keepAlive)) return IDLE_MS;
  const value = head.value(head.findId(HeaderId.keepAlive)).toLowerCase();
  const at = value.indexOf('timeout=');
  if (at < 0) return IDLE_MS;
  const seconds = Number.parseInt(value.slice(at + 8), 10);
  if (!(seconds >= 0)) return IDLE_MS;
  return Math.max(seconds * 1000 - 1000, seconds * 500);
}
