import type { Backend } from '../backends/backend.ts';
import type { Upstream } from './upstream.ts';

/** Idle and busy connections of one worker to one backend. The most recently used one is taken first: it is the least likely to be closing. */
export class BackendConnections {
  /** As the latest configuration has it. */
  backend: Backend;
  readonly idle: Upstream[] = [];
  /** The backend is gone or has moved: no connection is kept beyond its exchange. */
  retired = false;
  /** Head of the list of connections that carry an exchange. */
  busy: Upstream | null = null;

  constructor(backend: Backend) {
    this.backend = backend;
  }

  /** Whether these connections lead to `backend`: the same server at the same address. */
  fits(backend: Backend): boolean {
    const { generation, host, port } = this.backend;
    return backend.generation === generation && backend.host === host && backend.port === port;
  }

  take(): Upstream | null {
    return this.idle.pop() ?? null;
  }

  /** Takes a connection out of the idle ones because it closed. */
  drop(upstream: Upstream): void {
    const at = this.idle.lastIndexOf(upstream);
    if (at >= 0) this.idle.splice(at, 1);
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
    this.retired = true;
    this.closeIdle();
  }

  closeIdle(): void {
    for (const upstream of this.idle.splice(0)) upstream.close();
  }
}
