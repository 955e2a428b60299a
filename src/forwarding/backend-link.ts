import type { Backend } from '../backends/backend.ts';
import { BackendTls } from '../backends/backend-tls.ts';
import type { Pool } from '../backends/pool.ts';
import type { BackendDialer } from './backend-dialer.ts';
import { BackendConnections } from './connections.ts';
import { SocketDialer } from './socket-dialer.ts';

/** How the backends of a pool are spoken to, as its configuration and the files named there have it. */
export class BackendLink {
  readonly #tls: BackendTls;

  private constructor(tls: BackendTls) {
    this.#tls = tls;
  }

  /**
   * @param before what this worker had so far: given back when nothing is different, and its connections are still good then
   * @throws StartError when a file of `tls` cannot be used
   */
  static of({ name, config }: Pool, before: BackendLink | null): BackendLink {
    if (before === null) return new BackendLink(BackendTls.read(name, config.tls));
    const tls = before.#tls.readAgain(name, config.tls);
    return tls === before.#tls ? before : new BackendLink(tls);
  }

  connections(backend: Backend): BackendConnections {
    return new BackendConnections(backend, this, this.#dialer(backend));
  }

  /** Null: HTTP/1.1 over plain TCP, which Upstream does by itself. */
  #dialer(backend: Backend): BackendDialer | null {
    return backend.secure || backend.socketPath !== null ? new SocketDialer(backend, this.#tls) : null;
  }
}
