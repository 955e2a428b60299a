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
import { Timed } from '../timing/timer-wheel.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import { upgradeProtocol } from '../upstream/upgrade-protocol.ts';
import { CloseReason } from '../websocket/websocket-close.ts';
import { BodyIntake } from './body-intake.ts';
import { type AcceptedClient, ClientIdentity } from './client-identity.ts';
import { type Accepted, type ClientSocket, toClientSocket } from './client-socket.ts';
import type { ConnectionOwner } from './connection-owner.ts';
import { HeadIntake } from './head-intake.ts';
import { PipelinedBytes } from './pipelined-bytes.ts';
import { ReaderWatch } from './reader-watch.ts';
import { ResponseWriter } from './response-writer.ts';
import { StopSchedule } from './stop-schedule.ts';
import type { StopTimes } from './stop-times.ts';

const Phase = { head: 0, exchange: 1, drain: 2, closing: 3, tunnel: 4, closed: 5 } as const;

/** How long the rest of an upload whose answer has been given is read and dropped (behaviour 57). */
const DRAIN_MS = 5_000;
/** Time for a client to read our last words before the connection is cut. */
const LINGER_MS = 2_000;

/**
 * An HTTP/1.1 connection of a client (RFC 9112). Reads requests one at a time, in order (behaviour 61),
 * hands each to the handler, and owns everything that is written to the client.
 */
export class Downstream extends Timed implements ClientSide, SocketEvents {
  readonly exchange: Exchange;
  trustedRequestId = '';
  chunks = true;

  readonly #socket: ClientSocket;
  readonly #handler: Handler;
  readonly #attempts: Attempts;
  readonly #listener: ConnectionOwner;
  readonly #identity: ClientIdentity;
  readonly #writer: ResponseWriter;
  readonly #reader = new ReaderWatch();
  readonly #stop = new StopSchedule();
  #phase: number = Phase.head;
  readonly #pending = new PipelinedBytes();
  #close = false;
  /**
   * The request asks for another protocol. What comes behind it before its answer is whole may have been sent in hope
   * of that protocol: refused, such bytes are no request, and end the connection (RFC 9931).
   */
  #switches = false;
  #ended = false;
  readonly #head: HeadIntake;
  readonly #body: BodyIntake;
  #parsing = false;
  /** What this connection has become half of. */
  #tunnel: Tunnel | null = null;
  /** A stop has ended it although its client was not told before. */
  #endedIdle = false;
  /** At the end of a graceful stop the request has got an answer: its client is given the usual time to read it. */
  #lastWords = false;

  /** @param accepted a connection that has not been read from yet */
  constructor(accepted: Accepted, client: AcceptedClient, listener: ConnectionOwner, handler: Handler) {
    super();
    const socket = toClientSocket(accepted, this);
    this.#socket = socket;
    this.#listener = listener;
    this.#handler = handler;
    this.#attempts = handler.ends;
    this.exchange = new Exchange(this, handler.ends);
    this.#identity = new ClientIdentity(client, socket, listener.trusted);
    this.#writer = new ResponseWriter(socket);
    this.#head = new HeadIntake(this, handler.wheel, listener);
    this.#body = new BodyIntake(this, this.exchange, socket, handler.wheel, listener);
    this.#handler.wheel.set(this, this.#listener.config.timeouts.keepAlive);
    socket.resume();
  }

  get address(): string {
    return this.#identity.address;
  }

  get port(): number {
    return this.#identity.port;
  }

  get secure(): boolean {
    return this.#identity.secure;
  }

  get trusted(): boolean {
    return this.#identity.trusted;
  }

  get localAddress(): string {
    return this.#identity.localAddress;
  }

  get localPort(): number {
    return this.#identity.localPort;
  }

  get tlsIdentity(): string {
    return this.#identity.tlsIdentity;
  }

  clientHost(head: Head): string {
    return this.#identity.host(head);
  }

  forwardedLines(): string {
    const { host, minor } = this.exchange;
    return this.#identity.forwardedLines(host, minor, this.#handler.heads.latest);
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
          if (this.#pending.isEmpty) this.#parse(bytes, size);
          else {
            this.#pending.add(bytes, 0, size);
            this.#parsePending();
          }
          break;
        }
        case Phase.exchange:
          if (this.exchange.bodyDone) this.#keep(bytes, 0, size);
          else this.#takeBody(bytes, size);
          break;
        case Phase.drain:
          this.#drain(bytes, size);
          break;
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
    this.#pending.add(bytes, from, end);
    // A head that is not whole yet has a limit of its own.
    if (this.#pending.isFull && this.#phase === Phase.exchange) this.#socket.pause();
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

  /** Starts the request at `from`. Returns the offset behind what was taken; -1: more is needed, or it was refused. */
  #next(bytes: Buffer, from: number, end: number): number {
    const handler = this.#handler;
    const head = handler.heads.of(this.#listener.config.limits.headers);
    const result = this.#head.take(head, bytes, from, end);
    if (result === Parse.more) return -1;
    if (result !== Parse.done) return this.#refuse(this.#head.refusal, this.#head.problem, head.method);
    const x = this.exchange;
    x.begin(head);
    this.chunks = head.minor === 1;
    // A client of CONNECT may send bytes of its tunnel without waiting: its refusal ends the connection (RFC 9931).
    this.#close = !head.keepAlive || head.method === 'CONNECT';
    this.#switches = (head.connection & ConnectionToken.upgrade) !== 0 && upgradeProtocol(head) !== '';
    this.#phase = Phase.exchange;
    this.#identity.read(head, this.#listener.trusted);
    this.trustedRequestId = this.#identity.trusted ? RequestIds.trusted(head) : '';
    let next = from + head.consumed;
    if (head.framing !== Framing.none) {
      this.#body.begin(head);
      // What has come of the body is checked before anything goes out: bad framing in the same
      // packet as the head reaches no backend (behaviour 53).
      if (next < end) {
        next = this.#body.decode(bytes, next, end);
        if (next < 0) return this.#refuseBody();
      }
      // The rest waits for a backend to take it (behaviour 32); a little of it does not, where a FIN may lie behind it.
      if (!x.bodyDone && !this.#aborts) this.#socket.pause();
    }
    if (this.#switches && next < end) this.#close = true;
    handler.handle(x, head);
    return next;
  }

  #takeBody(bytes: Buffer, size: number): void {
    const next = this.#body.take(bytes, size);
    if (next < 0) this.#refuseBody();
    else if (next < size) this.#keep(bytes, next, size);
  }

  #refuseBody(): -1 {
    if (!this.exchange.committed) return this.#refuse(this.#body.refusal, this.#body.problem);
    this.#leave();
    return -1;
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
    this.#pending.clear();
    x.bodyDone = true;
    this.#phase = Phase.exchange;
    this.#attempts.refuse(x, kind, problem);
    return -1;
  }

  readAhead(): void {
    // What cannot be looked into (TLS) may hold bytes in hope of another protocol: nothing behind a refusal is read.
    if (!this.#socket.look()) this.#close = true;
  }

  readBody(): void {
    if (this.#phase === Phase.exchange) this.#body.ask();
  }

  holdBody(): void {
    this.#body.hold();
  }

  /** Reads and drops the rest of an upload whose answer has been given. */
  #drain(bytes: Buffer, size: number): void {
    const next = this.#body.drop(bytes, size);
    if (next < 0) return this.#linger();
    if (!this.exchange.bodyDone) return;
    if (next < size) this.#keep(bytes, next, size);
    this.#toNextRequest();
  }

  // ---- writing ----

  put(text: string): void {
    this.#writer.put(text);
  }

  putHead(bytes: Buffer, start: number, end: number): void {
    this.#writer.putHead(bytes, start, end);
  }

  putBytes(bytes: Buffer, start: number, end: number): void {
    this.exchange.bytesOut += end - start;
    this.#writer.putBytes(bytes, start, end);
  }

  flush(): boolean {
    if (this.#writer.flush()) return true;
    const { wheel } = this.#handler;
    this.#reader.waits(this.#socket.writableLength, wheel.now, this.#listener.config.timeouts.readRate > 0);
    wheel.limit(this, this.#writeMs);
    return false;
  }

  onDrain(): void {
    this.#reader.taken();
    if (this.#phase !== Phase.exchange) return;
    const { wheel } = this.#handler;
    if (!this.#reader.isFast(wheel.now, this.#listener.config.timeouts.readRate)) return this.#leave();
    if (this.exchange.bodyDone || this.#socket.isPaused()) wheel.clear(this);
    else this.#body.wait();
    this.exchange.upstream?.resume();
  }

  finished(): void {
    if (this.#phase !== Phase.exchange) return;
    this.flush();
    // Requests that came before a FIN are answered all the same, in their order (behaviours 60, 61).
    const last = this.#ended && this.#pending.isEmpty && !this.#parsing;
    const { bodyDone } = this.exchange;
    if (this.#close || last || (this.#switches && !bodyDone)) {
      this.#linger();
      return;
    }
    // A stop has begun behind the head of the response: the client may have sent its next request.
    if (this.#stopping) this.#stop.extendIdle(this.#handler.wheel);
    if (!bodyDone) {
      this.#phase = Phase.drain;
      this.#handler.wheel.set(this, DRAIN_MS);
      this.#socket.resume();
      return;
    }
    this.#toNextRequest();
  }

  #toNextRequest(): void {
    this.#phase = Phase.head;
    this.#switches = false;
    this.#reader.reset();
    // An idle connection is to take little memory.
    this.exchange.text = '';
    this.exchange.found.cookie = '';
    this.exchange.requestIdLine = '';
    this.#handler.wheel.set(this, this.#listener.config.timeouts.keepAlive);
    if (this.#socket.isPaused()) this.#socket.resume();
    // An answer of our own comes while #parse runs: that goes on with the rest by itself.
    if (!this.#pending.isEmpty && !this.#parsing) this.#parsePending();
  }

  #parsePending(): void {
    const bytes = this.#pending.take()!;
    this.#parse(bytes, bytes.length);
  }

  /** Ends our side and gives the client time to read: closing with unread input would cut it short (RFC 9112 9.6). */
  #linger(): void {
    if (this.#phase === Phase.closed) return;
    this.#phase = Phase.closing;
    this.#pending.clear();
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
    this.#writer.discard();
    this.#socket.destroy();
  }

  cut(): void {
    if (this.#phase === Phase.closed) return;
    if (!this.chunks) {
      // To HTTP/1.0 the end of the connection may be the end of the body: a FIN would make it look whole.
      this.#writer.discard();
      this.#socket.resetAndDestroy();
      return;
    }
    this.flush();
    this.#phase = Phase.closing;
    this.#handler.wheel.set(this, LINGER_MS);
    this.#socket.destroySoon();
  }

  /** A graceful stop begins, of the process or of the listener. `closeIdle` is called on every tick from here on. */
  stop(times: StopTimes, random: () => number): void {
    this.#stop.begin(times, random, this.#handler.wheel);
    this.closeIdle();
  }

  /**
   * At a graceful stop: ends the connection when it has been idle for long enough, as a client that knows nothing of
   * the stop may have sent a request; tells a WebSocket, and ends an event stream, when its time has come.
   */
  closeIdle(): void {
    const { due } = this.#handler.wheel;
    if (this.#phase === Phase.tunnel) return this.#goAway();
    if (this.#phase === Phase.exchange && this.exchange.endless && this.#stop.endsStream(due))
      return this.#attempts.endStream(this.exchange);
    if (this.#phase !== Phase.head || !this.#pending.isEmpty || !this.#stop.endsIdle(due)) return;
    this.#linger();
    this.#endedIdle = true;
  }

  get held(): number {
    const { body, upstream } = this.exchange;
    let bytes = this.#socket.writableLength + this.#pending.size + this.#writer.waiting;
    for (const piece of body) bytes += piece.length;
    return bytes + ((this.#tunnel ?? upstream)?.unsent ?? 0);
  }

  get stuckMs(): number {
    if (this.#tunnel !== null) return this.#tunnel.stuckMs;
    return this.#reader.stuckMs(this.#handler.wheel.now);
  }

  relieve(): void {
    if (this.#phase === Phase.head && this.#pending.isEmpty) this.#linger();
  }

  shed(): void {
    this.#writer.discard();
    this.#socket.resetAndDestroy();
  }

  #goAway(): void {
    const due = this.#stop.goAway(this.#handler.wheel.due);
    if (due === null) return;
    try {
      this.#tunnel!.goAway(due.urgent, CloseReason.goingAway);
    } catch (error) {
      this.#defect(error);
    }
  }

  /** The time for a graceful stop is over: a request without an answer gets one, the rest is cut. May be repeated. */
  stopNow(): void {
    const x = this.exchange;
    if (x.active && !x.committed) {
      this.#lastWords = true;
      this.#refuse(ERRORS.STOPPING, 'the time for a graceful stop is over');
    } else if (this.#tunnel !== null) this.#tunnel.cut();
    else if (!this.#lastWords) this.#socket.destroy();
  }

  // ---- upgrade ----

  tunnel(attempt: Attempt): void {
    this.#phase = Phase.tunnel;
    this.flush();
    this.#handler.wheel.clear(this);
    this.#tunnel = attempt.tunnel({
      socket: this.#socket,
      lastMs: this.#lastMs,
      onClosed: () => this.onClose(),
    });
    this.#tunnel.begin(this.#pending.take(), this.#ended);
  }

  // ---- ends ----

  onEnd(): void {
    try {
      this.#ended = true;
      if (this.#phase > Phase.drain) this.#socket.end();
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
        // A body that breaks off is the client's doing (behaviour 35); a whole request is still answered (60).
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
  onClose(): void {
    try {
      this.#phase = Phase.closed;
      this.#handler.wheel.remove(this);
      this.#pending.clear();
      this.#writer.discard();
      if (this.exchange.active) this.#attempts.clientGone(this.exchange);
      const { owned } = this.exchange;
      if (owned !== null) for (const connections of owned) connections.closeOwned(this.exchange);
      this.#listener.closed(this, this.#identity.peer);
    } catch (defect) {
      this.#attempts.defect(this.exchange, defect);
    }
  }

  onDeadline(): void {
    switch (this.#phase) {
      case Phase.head:
        if (this.#head.waits) this.#refuse(ERRORS.REQUEST_TIMEOUT, 'header block too slow');
        else this.#linger();
        break;
      case Phase.exchange:
        if (this.#socket.writableLength > 0) {
          // The client stopped reading in the middle of a response.
          this.#leave();
        } else if (!this.exchange.bodyDone && !this.#body.mayBeSilent()) this.#refuseBody();
        break;
      case Phase.drain:
        this.#linger();
        break;
      default:
        this.#socket.destroy();
        break;
    }
  }
}
