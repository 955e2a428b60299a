import type { Backend } from '../backends/backend.ts';
import type { BackendDialer } from './backend-dialer.ts';
import type { BackendLink } from './backend-link.ts';
import { ConnectTurns } from './connect-turns.ts';
import type { Exchange } from './exchange.ts';
import type { Upstream } from './upstream.ts';

/** Idle and busy connections of one worker to one backend. The most recently used one is taken first: it is the least likely to be closing. */
export class BackendConnections {
  /** As the latest configuration has it. */
  backend: Backend;
  readonly #link: BackendLink;
  /** Null: connections are plain TCP, opened by Upstream itself. */
  readonly dialer: BackendDialer | null;
  readonly turns: ConnectTurns;
  readonly #idle: Upstream[] = [];
  /** Connections are kept beyond their exchange. Not when the backend is gone or has moved, nor when each is one stream of a session. */
  keeps: boolean;
  /** Head of the list of connections that carry an exchange. */
  busy: Upstream | null = null;

  constructor(backend: Backend, link: BackendLink, dialer: BackendDialer | null, keeps = true) {
    this.backend = backend;
    this.#link = link;
    this.dialer = dialer;
    this.turns = new ConnectTurns(dialer);
    this.keeps = keeps;
  }

  /** Whether these connections lead to `backend`, in the way of `link`: the same server at the same address. */
  fits(backend: Backend, link: BackendLink): boolean {
    const { generation, url } = this.backend;
    return backend.generation === generation && backend.url === url && this.#link === link;
  }

  /** An idle connection that this exchange may use. */
  take(_x: Exchange): Upstream | null {
    return this.#idle.pop() ?? null;
  }

  /** Keeps a connection whose exchange is over. */
  keep(upstream: Upstream): void {
    this.#idle.push(upstream);
  }

  /** Takes a connection out of the idle ones because it closed. */
  drop(upstream: Upstream): void {
    const at = this.#idle.lastIndexOf(upstream);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  addBusy(upstream: Upstream): void {
    upstream.nextBusy = this.busy;
    upstream.previousBusy = null;
    if (this.busy !== null) this.busy.previousBusy = upstream;
    this.busy = upstream;
  }

  removeBusy(upstream: Upstream): void {
    if (upstream.previousBusy !== null) upstream.previousBusy.nextBusy = upstream.nextBusy;
    else if (this.busy === upstream) this.busy = upstream.nextBusy;
    if (upstream.nextBusy !== null) upstream.nextBusy.previousBusy = upstream.previousBusy;
    upstream.nextBusy = null;
    upstream.previousBusy = null;
  }

  /** Ends the idle ones; those that are busy end with their exchange. */
  retire(): void {
    this.keeps = false;
    this.closeIdle();
  }

  /** Closes those that carry no exchange. False: there were none. */
  closeIdle(): boolean {
    const idle = this.#idle.splice(0);
    for (const upstream of idle) upstream.close();
    return (this.dialer?.closeIdle() ?? false) || idle.length > 0;
  }
}
