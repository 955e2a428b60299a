import type { Backend } from '../backends/backend.ts';
import type { DialRequest } from '../exchange/dial-request.ts';
import type { OwnedConnections } from '../exchange/owned-connections.ts';
import type { BackendSigns } from '../health/backend-signs.ts';
import { threadSockets } from '../sockets/thread-sockets.ts';
import type { BackendDialer } from './backend-dialer.ts';
import { ConnectQueue } from './connect-queue.ts';
import type { PooledConnection } from './pooled-connection.ts';

/** The way backends are spoken to (BackendTransport): the same object is the same way. */
export interface ConnectionsTransport {
  /** Told what becomes of connections; null: nobody is. */
  readonly signs: BackendSigns | null;
}

/**
 * Idle and busy connections of one worker to one backend. The most recently used one is taken first: it is the least
 * likely to be closing.
 */
export class BackendConnections<C extends PooledConnection<C>> implements OwnedConnections<DialRequest> {
  /** As the latest configuration has it. */
  backend: Backend;
  readonly #transport: ConnectionsTransport;
  /** Null: connections are plain TCP, opened by Upstream itself. */
  readonly dialer: BackendDialer | null;
  readonly connectQueue: ConnectQueue<C>;
  readonly #idle: C[] = [];
  /** Idle ones that belong to one connection of a client, by its exchange; null: there has been none. */
  #owned: Map<DialRequest, C> | null = null;
  /**
   * Connections are kept beyond their exchange. Not when the backend is gone or has moved, nor when each is one stream
   * of a session.
   */
  keeps: boolean;
  /**
   * The backend is gone or has moved: no connection outlives its exchange, and what becomes of one says nothing about
   * it.
   */
  retired = false;
  /** Of an idle one can be found out whether the backend has closed it, before that has been told. */
  readonly looks: boolean;
  /** Head of the list of connections that carry an exchange. */
  busy: C | null = null;
  /** Told what becomes of connections; null: nobody is. */
  readonly signs: BackendSigns | null;
  /** One that carries nothing any more and is kept for its end (`health.lifeline`). */
  #lifeline: C | null = null;
  /** The latest `Limpet-Backend` field, in which life it was, and how often the id had changed then. */
  #boot = '';
  #bootLife = 0;
  #bootFlips = -1;

  constructor(backend: Backend, transport: ConnectionsTransport, dialer: BackendDialer | null, keeps = true) {
    this.backend = backend;
    this.#transport = transport;
    this.signs = transport.signs;
    this.dialer = dialer;
    this.connectQueue = new ConnectQueue(dialer);
    this.keeps = keeps;
    // Of TLS Node's stream alone knows: what lies in the system may be a session ticket.
    this.looks = threadSockets.readiness !== null && keeps && !backend.secure;
  }

  /** Whether these connections lead to `backend`, in the way of `transport`: the same server at the same address. */
  fits(backend: Backend, transport: ConnectionsTransport): boolean {
    const { generation, url } = this.backend;
    return backend.generation === generation && backend.url === url && this.#transport === transport;
  }

  /** An idle connection that this exchange may use. */
  take(x: DialRequest): C | null {
    for (;;) {
      const upstream = this.#idle.pop();
      if (upstream === undefined) return null;
      if (upstream.isFresh(x.attemptStartedAt)) return upstream;
      upstream.close();
    }
  }

  /** Keeps a connection whose exchange is over. */
  keep(upstream: C): void {
    this.#idle.push(upstream);
  }

  /** The idle connection that belongs to this client's connection. */
  takeOwned(x: DialRequest): C | null {
    const upstream = this.#owned?.get(x) ?? null;
    if (upstream === null) return null;
    this.#owned!.delete(x);
    // Behind a proxy that shares its connections among its clients this may be somebody else.
    // Its time is its client's: on a new one the client would have to say anew who he is.
    if (upstream.ownerAddress === x.client.address && upstream.isOpen(x.attemptStartedAt)) return upstream;
    upstream.close();
    return null;
  }

  /** Keeps a connection whose exchange is over for the connection of its client, which closes it (`closeOwned`). */
  keepOwned(upstream: C, x: DialRequest): void {
    this.#owned ??= new Map();
    this.#owned.get(x)?.close();
    this.#owned.set(x, upstream);
    if (x.owned?.includes(this)) return;
    x.owned = [...(x.owned ?? []).filter(({ retired }) => !retired), this];
  }

  /** It has closed. */
  dropOwned(upstream: C, x: DialRequest): void {
    if (this.#owned?.get(x) === upstream) this.#owned.delete(x);
  }

  /** The client's connection has closed, and its own ones with it. */
  closeOwned(x: DialRequest): void {
    this.#owned?.get(x)?.close();
  }

  /**
   * An idle connection has been idle for too long to carry another request. True: it is kept for its end all the same,
   * as there is no other.
   */
  keepForItsEnd(upstream: C): boolean {
    if (!this.keeps || this.signs === null || !this.signs.keep(this.backend)) return false;
    this.#lifeline = upstream;
    return true;
  }

  /** Another connection is open, or the server may have but one thread: closes what is kept for its end. */
  letGo(): void {
    const lifeline = this.#lifeline;
    if (lifeline === null) return;
    this.lostLifeline();
    lifeline.close();
  }

  /** It has closed. */
  lostLifeline(): void {
    this.#lifeline = null;
    this.signs?.unkeep(this.backend);
  }

  /** An answer names the process that it is of. The usual one says what the last one said. */
  heardBoot(text: string, asked: number, openedAt: number): void {
    const { signs, backend } = this;
    if (signs === null) return;
    const known = text === this.#boot && asked === this.#bootLife;
    if (known && this.#bootFlips === signs.boots.flips(backend.slot)) return;
    // It says nothing when the backend is gone or has moved.
    if (!this.retired) signs.boot(backend, text, asked, openedAt);
    this.#boot = text;
    this.#bootLife = asked;
    this.#bootFlips = signs.boots.flips(backend.slot);
  }

  /** Takes a connection out of the idle ones because it closed. */
  drop(upstream: C): void {
    const at = this.#idle.lastIndexOf(upstream);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  addBusy(upstream: C): void {
    upstream.nextBusy = this.busy;
    upstream.previousBusy = null;
    if (this.busy !== null) this.busy.previousBusy = upstream;
    this.busy = upstream;
  }

  removeBusy(upstream: C): void {
    if (upstream.previousBusy !== null) upstream.previousBusy.nextBusy = upstream.nextBusy;
    else if (this.busy === upstream) this.busy = upstream.nextBusy;
    if (upstream.nextBusy !== null) upstream.nextBusy.previousBusy = upstream.previousBusy;
    upstream.nextBusy = null;
    upstream.previousBusy = null;
  }

  /** Ends the idle ones; those that are busy end with their exchange. */
  retire(): void {
    this.keeps = false;
    this.retired = true;
    this.letGo();
    this.closeIdle();
  }

  /** Closes those that carry no exchange. False: there were none. */
  closeIdle(): boolean {
    const idle = this.#idle.splice(0);
    if (this.#owned !== null) idle.push(...this.#owned.values());
    for (const upstream of idle) upstream.close();
    this.letGo();
    return (this.dialer?.closeIdle() ?? false) || idle.length > 0;
  }
}
