/**
 * The backend's side of an exchange.
 * Longer than 400 lines because it is one state machine: what each event does depends on all the others.
 */
import { OWN_LIMITS } from '../backends/own-limits.ts';
import { ERRORS, type ErrorKind } from '../errors.ts';
import type { AttemptEvents } from '../exchange/attempt-events.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { Stage } from '../exchange/stage.ts';
import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import type { ByteSocket, OpeningEvents } from '../sockets/byte-socket.ts';
import { openSocket } from '../sockets/open-socket.ts';
import { Timed } from '../timing/timer-wheel.ts';
import type { Tunnel, TunnelSide } from '../tunnel/tunnel.ts';
import { isWebSocket } from '../websocket/is-websocket.ts';
import type { CloseReason } from '../websocket/websocket-close.ts';
import { bootField } from './boot-field.ts';
import { ConnectPlace } from './connect-place.ts';
import { ConnectTime } from './connect-time.ts';
import { asksConnectionAuth } from './connection-auth.ts';
import { ConnectionSigns } from './connection-signs.ts';
import type { BackendConnections } from './connections.ts';
import { IdleTime } from './idle-time.ts';
import { openTunnel, type TunnelOwner } from './open-tunnel.ts';
import { Phase } from './phase.ts';
import type { PooledConnection } from './pooled-connection.ts';
import { RequestSender } from './request-sender.ts';
import { type AnsweredConnection, ResponseReader } from './response-reader.ts';

/** A client waits about so long for 100 Continue before it sends its body anyway; so do we (RFC 9110 10.1.1). */
const CONTINUE_MS = 1_000;

/** A connection to a backend, HTTP/1.1 for whoever looks from here. Carries one exchange at a time. */
export class Upstream
  extends Timed
  implements AnsweredConnection, OpeningEvents, PooledConnection<Upstream>, TunnelOwner
{
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
  readonly #connectTime = new ConnectTime();
  #exchange: Exchange | null = null;
  /** Of the client's connection that this one belongs to: somebody has said here who he is. Null: it is anybody's. */
  #owner: Exchange | null = null;
  /** Address of that client. */
  ownerAddress = '';
  readonly #request = new RequestSender();
  readonly #response: ResponseReader;
  readonly #signs: ConnectionSigns;
  readonly #idle = new IdleTime();
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
    this.#response = new ResponseReader(this, handler);
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
    this.#response.reset();
    this.connections.addBusy(this);
    this.#go(x);
  }

  #go(x: Exchange): void {
    const { wheel } = this.#handler;
    const { timeouts } = x.pool!.config;
    switch (this.#phase) {
      case Phase.connecting:
        this.#connectTime.begin(this, wheel, timeouts.connect);
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

  /** Takes over the request that has waited longest to connect: this connection has come free. False: there is none. */
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

  /** There is room in the backlog of a unix socket by now, perhaps. */
  #connectAgain(x: Exchange): void {
    try {
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
   * A server may answer before it has read all of a request, and close with the rest unread (RFC 9112 9.6): its answer
   * lies here. What lies here before anything was sent is no answer.
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
        case Phase.body:
          return this.#response.readBody(this.#exchange!, size, bytes);
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

  /**
   * As #readHead. What the client has sent before this answer, in hope of another protocol, has to be known as such
   * before it is answered, also when it lies in its socket still. Reading it takes the place of `bytes`.
   */
  #readAnswerToUpgrade(x: Exchange, size: number, bytes: Buffer): boolean {
    const copy = Buffer.from(bytes.subarray(0, size));
    x.client.readAhead();
    // Its client may have left.
    return this.#exchange === x && this.#readHead(size, copy);
  }

  #readHead(size: number, bytes: Buffer): boolean {
    this.#place.leave();
    return this.#response.readHead(size, bytes);
  }

  get awaitsContinue(): boolean {
    return this.#request.awaitsContinue;
  }

  get inBody(): boolean {
    return this.#phase === Phase.body;
  }

  heard(head: Head): void {
    if (head.has(HeaderId.limpetBackend))
      this.connections.heardBoot(bootField(head), this.#life, this.#signs.bootFlips);
  }

  switchProtocol(x: Exchange, head: Head, bytes: Buffer, from: number, end: number): boolean {
    this.connections.backend.life.answer(this.#life);
    if (x.upgrade === '') return this.malformed('101 that nobody asked for');
    // RFC 9110 7.8: the new protocol begins behind a request that has been sent whole.
    if (!this.#request.isWhole(x)) return this.malformed('101 before the request was whole');
    this.#handler.wheel.clear(this);
    this.#isWebSocket = isWebSocket(x.upgrade, head.upgradeLine < 0 ? x.upgrade : head.value(head.upgradeLine));
    if (!this.#handler.onSwitch(x, this, head)) return false;
    return end === from || this.#tunnel!.fromBackend(bytes, from, end);
  }

  answered(x: Exchange, head: Head, untilClose: boolean): void {
    this.connections.backend.life.answer(this.#life);
    this.#idle.read(head, untilClose);
    if (this.connections.keeps && asksConnectionAuth(head)) this.#own(x);
  }

  beginBody(): void {
    this.#phase = Phase.body;
  }

  continueBody(left: number): void {
    this.#response.body.continueWith(left);
  }

  complete(x: Exchange, clean: boolean): boolean {
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
      if (connectQueue.first !== null) {
        this.#completeForNext(x);
        return this.#phase !== Phase.closed;
      }
      this.connections.keep(this);
    } else {
      this.close();
      // A stream of a session that carries several has come free.
      if (connectQueue.first !== null) connectQueue.wake();
    }
    this.#handler.onComplete(x);
    return this.#phase !== Phase.closed;
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

  malformed(problem: string): boolean {
    this.#fail(this.#phase === Phase.body ? Stage.committed : Stage.exchange, ERRORS.BACKEND_PROTOCOL, problem);
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
      const inOrder = this.#phase === Phase.body && this.#response.body.isUntilClose;
      this.#signs.lost = !inOrder;
      const x = this.#exchange;
      if (x === null) this.close();
      else if (inOrder) {
        x.answeredAt = 0;
        this.#response.body.finish(x.client);
        this.complete(x, true);
      } else if (!this.#request.begun) this.#fail(Stage.connect, ERRORS.BACKEND_CONNECT, 'closed in the handshake');
      else this.#fail(this.#phase === Phase.body ? Stage.committed : Stage.exchange, ERRORS.BACKEND_RESET, 'closed');
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
      if (phase === Phase.connecting && error?.code === 'EAGAIN') {
        this.#phase = Phase.connecting;
        return this.#connectTime.waitForRoom(this, this.#handler.wheel);
      }
      this.#phase = phase;
      const why = error?.code ?? 'closed';
      if (!this.#request.begun)
        this.#fail(Stage.connect, OWN_LIMITS.has(why) ? ERRORS.INTERNAL : ERRORS.BACKEND_CONNECT, why);
      // The backend has said that it has not looked at the request (RFC 9113 8.7).
      else if (why === 'REFUSED_STREAM' && phase === Phase.head) this.#fail(Stage.connect, ERRORS.BACKEND_RESET, why);
      else if (this.#request.refused) this.#fail(Stage.connect, ERRORS.BACKEND_RESET, why);
      else this.#fail(phase === Phase.body ? Stage.committed : Stage.exchange, ERRORS.BACKEND_RESET, why);
    } catch (defect) {
      this.#defect(defect);
    }
  }

  /** Ends the attempt with a failure of the backend's. */
  #fail(stage: Stage, kind: ErrorKind, why: string): void {
    const x = this.#exchange;
    const reused = this.reused;
    if (x !== null) this.#release(x);
    this.close();
    if (x !== null)
      this.#handler.onFailure(
        x,
        stage,
        kind,
        why,
        reused && stage !== Stage.committed && kind === ERRORS.BACKEND_RESET,
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
        if (this.#connectTime.triesAgain(this, this.#handler.wheel)) this.#connectAgain(x!);
        else this.#fail(Stage.connect, ERRORS.BACKEND_CONNECT, 'connect timed out');
        break;
      case Phase.waiting:
        this.#giveUp(true);
        break;
      case Phase.head:
        if (x !== null && this.#request.awaitsContinue) this.sendBody();
        // The backend has taken all that there is of a request, and the client owes the rest: the backend is not late.
        else if (x !== null && !x.bodyDone && this.#socket.writableLength < this.#socket.writableHighWaterMark)
          this.#handler.wheel.set(this, x.pool!.config.timeouts.response);
        else this.#fail(Stage.exchange, ERRORS.BACKEND_TIMEOUT, 'response');
        break;
      case Phase.body:
        this.#fail(Stage.committed, ERRORS.BACKEND_TIMEOUT, 'idle');
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
    else if (this.#phase === Phase.connecting) this.#fail(Stage.connect, ERRORS.BACKEND_CONNECT, 'taken out');
    else if (this.#phase === Phase.head) this.#fail(Stage.exchange, ERRORS.BACKEND_TIMEOUT, 'taken out');
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
    this.#phase = Phase.tunnel;
    this.#tunnel = openTunnel(this.#exchange!, client, this.#socket, this, this.#handler.wheel, this.#isWebSocket);
    return this.#tunnel;
  }

  onHalfClosed(lost: boolean): void {
    this.#phase = Phase.closed;
    this.#signs.lost = lost;
    this.#signs.closed();
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
