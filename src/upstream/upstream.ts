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
import { type Head, Parse } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import type { ByteSocket, OpeningEvents } from '../sockets/byte-socket.ts';
import { openSocket } from '../sockets/open-socket.ts';
import { Timed } from '../timing/timer-wheel.ts';
import { Tunnel, type TunnelEvents, type TunnelSide } from '../tunnel/tunnel.ts';
import { isWebSocket } from '../websocket/is-websocket.ts';
import type { CloseReason } from '../websocket/websocket-close.ts';
import { WebSocketTunnel } from '../websocket/websocket-tunnel.ts';
import { bootField } from './boot-field.ts';
import { ConnectPlace } from './connect-place.ts';
import { asksConnectionAuth } from './connection-auth.ts';
import { ConnectionSigns } from './connection-signs.ts';
import type { BackendConnections } from './connections.ts';
import { IdleTime } from './idle-time.ts';
import type { PooledConnection } from './pooled-connection.ts';
import { RequestSender } from './request-sender.ts';
import { ResponseBody } from './response-body.ts';

const Phase = {
  connecting: 0,
  idle: 1,
  head: 2,
  body: 3,
  tunnel: 4,
  closed: 5,
  waiting: 6,
  kept: 7,
} as const;
/** A unix socket whose backlog is full says so at once, where TCP tries again by itself: we try again after so long, ms. */
const NO_ROOM_MS = 50;
/** Response heads larger than this are BACKEND_PROTOCOL. */
const MAX_HEAD_BYTES = 262_144;
/** A client waits about this long for 100 Continue before it sends its body all the same; so do we (RFC 9110 10.1.1). */
const CONTINUE_MS = 1_000;
/** With 1xx responses a backend may have so many times `timeouts.response` for its final one. */
const INTERIM_TIMES = 20;
/** Time for what is still on its way to the backend after a tunnel, where `timeouts.idle` sets none. */
const LAST_BYTES_MS = 60_000;

/** A connection to a backend, HTTP/1.1 for whoever looks from here. Carries one exchange at a time. */
export class Upstream extends Timed implements Attempt, OpeningEvents, PooledConnection<Upstream>, TunnelEvents {
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
  readonly #place: ConnectPlace;
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
  readonly #request = new RequestSender();
  readonly #body = new ResponseBody();
  readonly #signs: ConnectionSigns;
  readonly #idle = new IdleTime();
  /** When the first 1xx response came; 0: none has. By `wheel.now`. */
  #interimSince = 0;
  #ended = false;
  /** Both connections, once the backend has agreed to switch protocols. */
  #tunnel: Tunnel | null = null;
  /** What they carry is a WebSocket. */
  #isWebSocket = false;
  /** The number of the backend's life when it was asked. */
  #life = 0;

  /** @param x the first exchange that it is to carry */
  constructor(connections: BackendConnections<Upstream>, handler: AttemptEvents, x: Exchange) {
    super();
    this.connections = connections;
    this.#handler = handler;
    this.#signs = new ConnectionSigns(connections);
    this.#place = new ConnectPlace(connections.connectQueue);
    const { connectQueue, dialer } = connections;
    if (dialer !== null) this.preamble = dialer.preamble(x);
    if (connectQueue.free || (dialer?.isOpen(x) ?? false)) this.#open(x);
    else this.#phase = Phase.waiting;
  }

  #open(x: Exchange): void {
    const { backend, dialer } = this.connections;
    this.#signs.begin();
    const socket =
      dialer === null ? openSocket(backend, '', this, x.pool!.config.timeouts.tcpKeepAlive) : dialer.dial(x, this);
    this.#socket = socket;
    if (dialer !== null && !socket.connecting) {
      // A stream of a session that has served before: what may happen to it may happen to a connection that lay idle.
      this.#phase = Phase.idle;
      this.reused = true;
    } else {
      this.#phase = Phase.connecting;
      this.#place.take();
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
    this.#request.reset(x, head);
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

  isFresh(now: number): boolean {
    return !this.#idle.isOver(now, this.#handler.wheel) && this.isOpen(now);
  }

  isOpen(now: number): boolean {
    if (this.#idle.sawPause(now, this.#handler.wheel)) this.#socket.look();
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
    const { head } = waiting.#request;
    waiting.abandon();
    x.upstream = this;
    this.start(x, head);
    return true;
  }

  onOpen(socket: ByteSocket): void {
    try {
      this.#socket = socket;
      this.#signs.opened();
      // Before the request is sent: a server with one thread may be waiting there.
      if (this.connections.signs !== null) this.connections.letGo();
      this.#place.opened(this.#handler.wheel);
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

  #send(x: Exchange): void {
    this.#phase = Phase.head;
    const request = this.#request;
    this.#handler.wheel.set(this, request.awaitsContinue ? CONTINUE_MS : x.pool!.config.timeouts.response);
    request.begin(x, this.#socket);
  }

  sendBody(): void {
    const x = this.#exchange;
    if (x === null || !this.#request.begun || this.#phase === Phase.closed) return;
    this.#awaitResponse(x);
    this.#request.sendBody(x, this.#socket);
  }

  get takesCopies(): boolean {
    const x = this.#exchange;
    return x !== null && this.#phase !== Phase.closed && this.#request.takesCopies(x);
  }

  sendCopy(bytes: Buffer, from: number, end: number): void {
    const x = this.#exchange!;
    this.#awaitResponse(x);
    this.#request.sendCopy(x, this.#socket, bytes, from, end);
  }

  /** As long as the request is being sent the backend's time for its answer begins anew. */
  #awaitResponse(x: Exchange): void {
    if (this.#phase === Phase.head) this.#handler.wheel.set(this, x.pool!.config.timeouts.response);
  }

  /**
   * A server may answer before it has read all of a request, and close with the rest unread (RFC 9112 9.6): its answer lies here.
   * What lies here before anything was sent is no answer.
   */
  onWriteFailed(whole: boolean): boolean {
    const request = this.#request;
    if (this.#phase === Phase.head) request.failed(whole);
    return !request.refused;
  }

  onDrain(): void {
    const x = this.#exchange;
    if (x !== null) this.#request.drained(x);
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
          if (!this.#relay(x, bytes, 0, size)) return false;
          return this.#phase === Phase.body ? this.#flush(x) : true;
        }
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
    this.#place.leave();
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
      if (head.has(HeaderId.limpetBackend))
        this.connections.heardBoot(bootField(head), this.#life, this.#signs.bootFlips);
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
      if (this.#request.awaitsContinue) this.sendBody();
    }
    if (!this.#request.awaitsContinue) this.#awaitLonger(x);
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
    if (!this.#request.isWhole(x)) return this.#malformed('101 before the request was whole');
    this.#handler.wheel.clear(this);
    this.#isWebSocket = isWebSocket(x.upgrade, head.upgradeLine < 0 ? x.upgrade : head.value(head.upgradeLine));
    if (!this.#handler.onSwitch(x, this, head)) return false;
    return end === from || this.#tunnel!.fromBackend(data, from, end);
  }

  #final(x: Exchange, head: Head, data: Buffer, from: number, end: number): boolean {
    this.connections.backend.life.answer(this.#life);
    const body = this.#body;
    const framing = body.reset(head, x.method, x.client.chunks);
    this.#idle.read(head, body.isUntilClose);
    if (this.connections.keeps && asksConnectionAuth(head)) this.#own(x);
    if (!body.beginsWell(data, from, end)) return this.#malformed(body.problem);
    if (!this.#handler.onResponse(x, this, head, framing)) return false;
    this.#phase = Phase.body;
    if (body.isNone) {
      this.#complete(x, from === end);
      return true;
    }
    this.#handler.wheel.limit(this, x.pool!.config.timeouts.idle);
    if (from < end && !this.#relay(x, data, from, end)) return false;
    return this.#phase === Phase.body && this.#exchange === x ? this.#flush(x) : true;
  }

  /** Passes bytes[from, to) of the body on. False: the connection is of no use any more. */
  #relay(x: Exchange, bytes: Buffer, from: number, to: number): boolean {
    const body = this.#body;
    const result = body.relay(x.client, bytes, from, to);
    if (result === Parse.more) return true;
    if (result === Parse.bad) return this.#malformed(body.problem);
    this.#complete(x, body.stop === to);
    return this.#phase !== Phase.closed;
  }

  continueBody(left: number): void {
    this.#body.continueWith(left);
  }

  /** The response is whole. @param clean nothing came behind it */
  #complete(x: Exchange, clean: boolean): void {
    this.#release(x);
    // A request that is still being sent, or bytes behind the response: this connection's state is unknown.
    const { connectQueue } = this.connections;
    const usable = clean && this.#idle.keepsOpen && this.#request.isWhole(x) && !this.#ended;
    if (usable && this.#owner !== null && !this.connections.retired && !x.client.multiplexed) {
      this.reused = true;
      this.#phase = Phase.idle;
      this.#idle.begin(this.#handler.wheel);
      // It lasts as long as the client's: on another one that would have to say anew who he is.
      this.#handler.wheel.clear(this);
      this.connections.keepOwned(this, x);
    } else if (usable && this.#owner === null && this.#idle.ms > 0 && this.connections.keeps) {
      this.reused = true;
      this.#phase = Phase.idle;
      this.#idle.begin(this.#handler.wheel);
      this.#handler.wheel.set(this, this.#idle.ms);
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

  resume(): void {
    const x = this.#exchange;
    if (x !== null && this.#phase === Phase.body) this.#handler.wheel.limit(this, x.pool!.config.timeouts.idle);
    else if (x !== null && this.#phase === Phase.head && !this.#request.awaitsContinue)
      this.#handler.wheel.set(this, x.pool!.config.timeouts.response);
    // The client has taken what another connection brought, while this one waits for its turn to bring the rest.
    if (this.#phase !== Phase.waiting) this.#socket.resume();
  }

  // ---- ends ----

  onEnd(): void {
    try {
      this.#ended = true;
      // In good order where the end of the response is the connection's.
      const inOrder = this.#phase === Phase.body && this.#body.isUntilClose;
      this.#signs.lost = !inOrder;
      const x = this.#exchange;
      if (x === null) this.close();
      else if (inOrder) {
        x.answeredAt = 0;
        this.#body.finish(x.client);
        this.#complete(x, true);
      } else if (!this.#request.begun) this.#fail(Stage.connect, 'BACKEND_CONNECT', 'closed in the handshake');
      else this.#fail(this.#phase === Phase.body ? Stage.committed : Stage.exchange, 'BACKEND_RESET', 'closed');
    } catch (error) {
      this.#defect(error);
    }
  }

  onClose(error: NodeJS.ErrnoException | null): void {
    try {
      const phase = this.#phase;
      this.#phase = Phase.closed;
      this.#handler.wheel.remove(this);
      this.#place.leave();
      if (phase !== Phase.closed) this.#signs.lost = true;
      if (phase === Phase.idle) this.#drop();
      else if (phase === Phase.kept) this.connections.lostLifeline();
      else if (phase === Phase.connecting && error !== null) this.#signs.refused(error);
      this.#signs.closed();
      const x = this.#exchange;
      if (x === null) return;
      if (phase === Phase.connecting && error?.code === 'EAGAIN') return this.#waitForRoom();
      this.#phase = phase;
      const why = error?.code ?? 'closed';
      if (!this.#request.begun) this.#fail(Stage.connect, OWN_LIMITS.has(why) ? 'INTERNAL' : 'BACKEND_CONNECT', why);
      // The backend has said that it has not looked at the request (RFC 9113 8.7).
      else if (why === 'REFUSED_STREAM' && phase === Phase.head) this.#fail(Stage.connect, 'BACKEND_RESET', why);
      else if (this.#request.refused) this.#fail(Stage.connect, 'BACKEND_RESET', why);
      else this.#fail(phase === Phase.body ? Stage.committed : Stage.exchange, 'BACKEND_RESET', why);
    } catch (defect) {
      this.#defect(defect);
    }
  }

  /** Ends the attempt with a failure of the backend's. */
  #fail(
    stage: Stage,
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
    if (phase === Phase.tunnel) return this.#tunnel!.abandon();
    this.#socket.destroy();
    this.#signs.closed();
    this.#place.leave();
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
        if (x !== null && this.#request.awaitsContinue) this.sendBody();
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
        if (!this.#idle.endsSoon && this.connections.keepForItsEnd(this)) {
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

  tunnel(client: TunnelSide): Tunnel {
    const x = this.#exchange!;
    const { timeouts } = x.pool!.config;
    this.#phase = Phase.tunnel;
    this.#tunnel = new Tunnel({
      client,
      backend: {
        socket: this.#socket,
        lastMs: timeouts.idle || LAST_BYTES_MS,
        onClosed: (lost) => {
          this.#phase = Phase.closed;
          this.#signs.lost = lost;
          this.#signs.closed();
        },
      },
      wheel: this.#handler.wheel,
      idleMs: timeouts.tunnel,
      counts: x,
      websocket: this.#isWebSocket ? new WebSocketTunnel() : null,
      events: this,
    });
    return this.#tunnel;
  }

  onTunnelEnd(): void {
    const x = this.#exchange;
    if (x === null) return;
    this.#release(x);
    this.#handler.onTunnelClosed(x);
  }

  onTunnelDefect(error: unknown): void {
    this.#defect(error);
  }

  goAway(urgent: boolean, reason: CloseReason): boolean {
    return this.#tunnel?.goAway(urgent, reason) ?? false;
  }
}
