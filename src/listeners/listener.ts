/**
 * Where connections of clients come in.
 * Longer than 400 lines because who may come in, and who has to go, is decided in one place.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ClientCertificate } from '../client/client-certificate.ts';
import type { ClientConnection } from '../client/client-connection.ts';
import type { AcceptedClient } from '../client/client-identity.ts';
import type { Accepted } from '../client/client-socket.ts';
import type { ConnectionOwner } from '../client/connection-owner.ts';
import { Downstream } from '../client/downstream.ts';
import type { Http2Front } from '../client/http2/front.ts';
import type { Http2Listener } from '../client/http2/http2-streams.ts';
import type { StopTimes } from '../client/stop-times.ts';
import type { TrustedProxies } from '../client/trusted-proxies.ts';
import { parseBind } from '../config/bind.ts';
import type { ListenerConfig } from '../config/schema.ts';
import { StartError } from '../errors-start.ts';
import { type MemoryPressure, Pressure } from '../limits/memory-pressure.ts';
import type { Logger } from '../logging/logger.ts';
import type { Counters } from '../metrics/counters.ts';
import type { LabelledCounters } from '../metrics/labelled-counters.ts';
import type { Handler } from '../proxy/handler.ts';
import { AcceptGate } from '../sockets/accept-gate.ts';
import { keepAcceptedAlive } from '../sockets/keep-accepted-alive.ts';
import { type StreamHandle, takeConnections } from '../sockets/node-stream-handle.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { type BoundPath, listenOnPath } from './listen-on-path.ts';
import { listenProblem } from './listen-problem.ts';
import {
  type HandshakeFailure,
  PreHttpConnection,
  type PreHttpHost,
  type ProxyRefusal,
} from './pre-http-connection.ts';
import type { TlsFront } from './tls-front.ts';

/**
 * Connections over the limit that wait for one to end, as they would in the kernel's backlog, at most; more are closed.
 */
const WAITING = 1_024;
/** Connections that the system has ready at most. */
const BACKLOG = 4_096;
/** Between two log lines about the same trouble with accepting. */
const QUIET_MS = 10_000;

interface ListenerParts {
  readonly config: ListenerConfig;
  readonly index: number;
  /** Number of this worker. */
  readonly worker: number;
  /** The limpet that has the address is replaced. */
  readonly takesOver: boolean;
  readonly handler: Handler;
  readonly trusted: TrustedProxies;
  readonly limits: ConnectionLimits;
  readonly pressure: MemoryPressure;
  readonly counters: Counters;
  readonly labelled: LabelledCounters;
  readonly http2: Http2Front<Http2Listener>;
  readonly log: Logger;
}

/**
 * One worker's share of an address: all workers listen on the same one and the kernel spreads the connections
 * (SO_REUSEPORT).
 */
export class Listener implements ConnectionOwner, PreHttpHost, Http2Listener {
  /** As the latest configuration has it: connections look here for each request. */
  config: ListenerConfig;
  trusted: TrustedProxies;
  readonly multiplexed = false;
  /** For connections from here on; null: they are not encrypted. */
  tls: TlsFront | null = null;
  /** Takes no new connection, and closes those it has after their response. */
  stopping = false;
  /** Where it listens; 0 before it does. */
  port = 0;
  readonly #parts: ListenerParts;
  readonly #server: Server;
  readonly #connections = new Set<ClientConnection>();
  /** Accepted, and HTTP has not begun on them. */
  readonly #preHttp = new Set<PreHttpConnection>();
  readonly #waiting: Socket[] = [];
  readonly #gate: AcceptGate;
  /** Where it listens, when that is a unix socket. */
  #path: BoundPath | null = null;
  #quietUntil = 0;
  #quietAboutProxies = 0;
  #admits = false;
  /** How many were accepted so far. */
  #accepted = 0;
  /** The stop has begun and what the system has ready is still being accepted. */
  #emptying = false;
  #deadline = Number.POSITIVE_INFINITY;
  #idleMs = 0;
  /** Requests that crossed the end of their idle connection, see ConnectionOwner. */
  #crossings = 0;

  constructor(parts: ListenerParts) {
    this.#parts = parts;
    this.config = parts.config;
    this.trusted = parts.trusted;
    // Half-open: a client that has sent its request may close its side and still gets the answer (behaviour 60).
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket),
    );
    this.#gate = new AcceptGate(this.#server, () => this.#takeDirectly());
  }

  /**
   * Starts listening. What is accepted waits until `admit` is called: a reload may come to nothing yet.
   * @param port taken instead of the configured one when that is 0, so that all workers share the port that the first
   *   one got
   * @returns the port
   * @throws StartError when the address cannot be had
   */
  listen(port: number | null): Promise<number> {
    const bind = parseBind(this.config.bind);
    if ('error' in bind) throw new StartError(`listeners: ${this.config.bind} is not an address to listen on`);
    if (bind.kind === 'unix') return this.#listenOnPath(bind.path);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const onError = (error: NodeJS.ErrnoException): void => {
      reject(new StartError(listenProblem(this.config.bind, error), { cause: error }));
    };
    this.#server.once('error', onError);
    this.#server.listen({ host: bind.host, port: port ?? bind.port, reusePort: true, backlog: BACKLOG }, () => {
      this.#server.off('error', onError);
      // Out of file descriptors, or a connection that was gone before it was accepted: the server goes on (behaviour
      // 71).
      this.#server.on('error', (error) => this.#trouble(error));
      const address = this.#server.address();
      this.port = typeof address === 'object' && address !== null ? address.port : bind.port;
      this.#takeDirectly();
      keepAcceptedAlive(this.#server, this.config.timeouts.tcpKeepAlive);
      resolve(this.port);
    });
    return promise;
  }

  /**
   * A unix socket cannot be shared as a port can: there is no SO_REUSEPORT for it, and threads cannot hand connections
   * over. The first worker serves it alone.
   */
  async #listenOnPath(path: string): Promise<number> {
    if (this.#parts.worker > 0) return 0;
    this.#path = await listenOnPath(this.#server, path, this.#parts.takesOver);
    this.#server.on('error', (error) => this.#trouble(error));
    return 0;
  }

  /** Serves connections from here on. */
  admit(tls: TlsFront | null): void {
    this.tls = tls;
    this.#admits = true;
    this.serveWaiting();
  }

  /**
   * The configuration has changed: new limits and timeouts count from the next request on, also on open connections.
   */
  adopt(config: ListenerConfig, trusted: TrustedProxies, tls: TlsFront | null): void {
    if (config.timeouts.tcpKeepAlive !== this.config.timeouts.tcpKeepAlive) {
      keepAcceptedAlive(this.#server, config.timeouts.tcpKeepAlive);
    }
    this.config = config;
    this.trusted = trusted;
    this.admit(tls);
  }

  /** It was made for a model that is not to be. */
  discard(): void {
    this.#path?.remove();
    this.#gate.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
  }

  #trouble(error: Error): void {
    // The next tick tries again: whoever connects until then waits.
    this.#gate.pause();
    const now = performance.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + QUIET_MS;
    this.#parts.log.error(
      { err: error, listener: this.config.bind },
      'cannot accept connections: raise the limit on open files (ulimit -n) or lower limits.connections',
    );
  }

  #accept(socket: Socket): void {
    this.#accepted++;
    if (this.#admits && !this.#full && this.#serve(socket)) return;
    if (this.#admits) this.#tellFull();
    const many = this.#waiting.length >= Math.min(WAITING, this.#parts.limits.waiting);
    // The others wait in the system's queue: nobody is closed for coming too early or too late.
    if ((this.#admits || many) && !this.#gate.pause() && many) return void socket.destroy();
    socket.on('error', () => {});
    this.#waiting.push(socket);
  }

  #takeDirectly(): void {
    if (this.#path === null) takeConnections(this.#server, (client) => this.#takesDirectly(client));
  }

  get #full(): boolean {
    const { limits, index } = this.#parts;
    return limits.connections(index) >= this.config.limits.connections || limits.exhausted || this.#memoryIsShort;
  }

  get #memoryIsShort(): boolean {
    return this.#parts.pressure.level !== Pressure.none;
  }

  /** Memory is short: nobody new comes in, and idle connections close. */
  relieve(): void {
    if (!this.stopping) this.#gate.pause();
    for (const connection of this.#connections) connection.relieve();
  }

  /**
   * Connections for which at least so many bytes are kept; of more weight is who holds more and has taken nothing for
   * longer.
   */
  holders(least: number): { readonly connection: ClientConnection; readonly bytes: number; readonly weight: number }[] {
    const found = [];
    for (const connection of this.#connections) {
      const bytes = connection.held;
      if (bytes >= least) found.push({ connection, bytes, weight: bytes * (1 + connection.stuckMs / 1_000) });
    }
    return found;
  }

  #tellFull(): void {
    const now = performance.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + QUIET_MS;
    const { limits, index, log } = this.#parts;
    // That is said by who has found it out.
    if (this.#memoryIsShort) return;
    const { connections } = this.config.limits;
    if (limits.connections(index) >= connections) {
      log.warn({ listener: this.config.bind, limit: connections }, 'connection limit reached: new connections wait');
    } else {
      log.error(
        { listener: this.config.bind },
        'too many open files: new connections wait; raise the limit on open files (ulimit -n)',
      );
    }
  }

  /** False: another worker has taken the last place meanwhile. */
  #serve(socket: Socket): boolean {
    const { limits, index, counters, handler } = this.#parts;
    const address = this.trusted.normalise(socket.remoteAddress ?? '');
    // A peer that is gone already has no address; one behind a unix socket never has.
    if (address === '' && this.#path === null) {
      socket.destroy();
      return true;
    }
    // Behind a proxy the addresses that are limited are those that it names.
    if (this.config.proxyProtocol === 'off' && this.#hasItsShare(address)) {
      socket.destroy();
      return true;
    }
    if (!PreHttpConnection.isNeeded(this)) return this.#begin(socket, address);
    if (!limits.enter(index, address, this.config.limits.connections)) return false;
    counters.connectionOpened(index);
    const arrival = new PreHttpConnection(socket, address, this, handler.wheel);
    this.#preHttp.add(arrival);
    if (this.stopping) arrival.stop(this.#idleMs);
    arrival.begin();
    return true;
  }

  /** A connection that HTTP/1.1 begins on at once is served without a net.Socket, unless it has to wait. */
  #takesDirectly(client: StreamHandle): boolean {
    if (!this.#admits || PreHttpConnection.isNeeded(this) || this.#full) return false;
    const ends: { address?: string } = {};
    client.getpeername?.(ends);
    const address = this.trusted.normalise(ends.address ?? '');
    if (address === '' || this.#hasItsShare(address)) return false;
    client.setNoDelay?.(true);
    const taken = this.#begin(client, address);
    if (taken) this.#accepted++;
    return taken;
  }

  #begin(accepted: Accepted, address: string): boolean {
    const { limits, index, counters, handler } = this.#parts;
    if (!limits.enter(index, address, this.config.limits.connections)) return false;
    counters.connectionOpened(index);
    this.#speak(new Downstream(accepted, { peer: address, secure: false }, this, handler));
    return true;
  }

  #hasItsShare(address: string): boolean {
    const { limits, index } = this.#parts;
    const perIp = this.config.limits.connectionsPerIp;
    return perIp > 0 && address !== '' && limits.connectionsOf(index, address) >= perIp;
  }

  #speak(connection: ClientConnection): void {
    this.#connections.add(connection);
    if (!this.stopping) return;
    connection.stop({ grace: this.#deadline - this.#parts.handler.wheel.now, idle: this.#idleMs }, Math.random);
  }

  arrived(arrival: PreHttpConnection, socket: Socket, early: Buffer | null): void {
    const { limits, index, labelled, handler, http2 } = this.#parts;
    const { peer, secure, ends, acceptedFrom } = arrival;
    const origin: AcceptedClient = {
      peer,
      secure,
      ...(ends === null ? {} : { ends }),
      ...(socket instanceof TLSSocket ? { certificate: new ClientCertificate(socket) } : {}),
    };
    this.#preHttp.delete(arrival);
    if (socket instanceof TLSSocket) {
      labelled.add('limpet_tls_handshakes_total', this.config.bind, socket.isSessionReused() ? 'true' : 'false');
    }
    if (peer !== acceptedFrom) {
      if (this.#hasItsShare(peer)) {
        socket.destroy();
        return this.#gone(acceptedFrom);
      }
      limits.closed(index, acceptedFrom);
      limits.opened(index, peer);
    }
    if (arrival.http2) {
      // HTTP/2 ends streams, and a client that ends its connection is gone.
      socket.allowHalfOpen = false;
      try {
        return this.#speak(http2.accept(socket, { listener: this, ...origin }));
      } catch (error) {
        // Node takes no socket that is gone by now, and nothing that happens to one connection ends a worker (behaviour
        // 69).
        this.#parts.log.debug({ err: error, listener: this.config.bind }, 'HTTP/2 could not begin');
        socket.destroy();
        return this.#gone(peer);
      }
    }
    const connection = new Downstream(socket, origin, this, handler);
    this.#speak(connection);
    if (early !== null) connection.receive(early);
  }

  lost(arrival: PreHttpConnection): void {
    if (this.#preHttp.delete(arrival)) this.#gone(arrival.acceptedFrom);
  }

  handshakeFailed({ peer }: PreHttpConnection, reason: HandshakeFailure, problem: string): void {
    const { bind } = this.config;
    this.#parts.labelled.add('limpet_tls_handshake_failures_total', bind, reason);
    this.#parts.log.debug({ listener: bind, client: peer, reason, problem }, 'TLS handshake failed');
  }

  refused({ acceptedFrom }: PreHttpConnection, reason: ProxyRefusal, problem: string): void {
    const { bind } = this.config;
    const { labelled, log } = this.#parts;
    labelled.add('limpet_refused_connections_total', bind, reason);
    const now = performance.now();
    if (now < this.#quietAboutProxies) return;
    this.#quietAboutProxies = now + QUIET_MS;
    const fields = { listener: bind, address: acceptedFrom, reason, problem };
    log.warn(fields, 'connection closed: no PROXY header that can be believed');
  }

  crossed(): void {
    const { labelled, log } = this.#parts;
    labelled.add('limpet_stop_crossings_total', this.config.bind);
    if (this.#crossings++ > 0) return;
    log.warn(
      { listener: this.config.bind, idleMs: this.#idleMs },
      'a request came when its idle connection had just been ended by a stop, and its client has to send it again: raise shutdown.idle above the pauses of your clients',
    );
  }

  /** A connection has closed. */
  closed(connection: ClientConnection, address: string): void {
    this.#connections.delete(connection);
    this.#gone(address);
  }

  #gone(address: string): void {
    const { limits, index, counters } = this.#parts;
    limits.closed(index, address);
    counters.connectionClosed(index);
    // Where several workers share a limit each looks on its tick: no one's queue is always behind.
    if ((this.#waiting.length > 0 || this.#gate.paused) && limits.alone) this.serveWaiting();
  }

  /** Lets connections in that waited for another one to end, at this worker or another. Called on every tick too. */
  serveWaiting(): void {
    while (this.#waiting.length > 0 && this.#admits && !this.#full) {
      const socket = this.#waiting[0]!;
      if (!socket.destroyed && !this.#serve(socket)) return;
      this.#waiting.shift();
    }
    if (this.#gate.paused && this.#waiting.length === 0 && !this.stopping && !this.#full) this.#gate.resume();
  }

  get open(): number {
    return this.#connections.size + this.#preHttp.size + (this.#emptying ? 1 : 0);
  }

  /**
   * Takes no new connection, closes idle ones; the others close after their response, WebSockets after Close frames,
   * and all are cut after `grace`.
   */
  stop(times: StopTimes): void {
    if (this.stopping) return;
    this.stopping = true;
    this.#deadline = this.#parts.handler.wheel.at(times.grace);
    this.#idleMs = times.idle;
    for (const arrival of this.#preHttp) arrival.stop(times.idle);
    this.#path?.remove();
    this.#emptying = true;
    setImmediate(() => this.#closeWhenEmpty(this.#accepted + BACKLOG));
    for (const socket of this.#waiting.splice(0)) socket.destroy();
    for (const connection of this.#connections) connection.stop(times, Math.random);
  }

  /**
   * What the system has ready is accepted, not reset (behaviour 47): one with each turn, until a turn brings none, or
   * `last` is reached.
   */
  #closeWhenEmpty(last: number): void {
    const accepted = this.#accepted;
    setImmediate(() => {
      if (this.#accepted !== accepted && accepted < last) return this.#closeWhenEmpty(last);
      this.#emptying = false;
      this.#gate.close();
    });
  }

  /** Ends every connection that is left. */
  stopNow(): void {
    for (const arrival of [...this.#preHttp]) arrival.close();
    for (const connection of [...this.#connections]) connection.stopNow();
  }

  /** To be called on each tick. */
  closeIdle(): void {
    if (!this.stopping) return;
    if (this.#parts.handler.wheel.due >= this.#deadline) return this.stopNow();
    for (const arrival of [...this.#preHttp]) arrival.closeIdle();
    for (const connection of this.#connections) connection.closeIdle();
  }
}
