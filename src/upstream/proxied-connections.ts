import type { Backend } from '../backends/backend.ts';
import type { DialRequest } from '../exchange/dial-request.ts';
import type { BackendDialer } from './backend-dialer.ts';
import { BackendConnections, type ConnectionsTransport } from './connections.ts';
import type { PooledConnection } from './pooled-connection.ts';

/**
 * Connections that begin with a PROXY header: what it says holds for all that follows, so each serves one connection of
 * a client, and idle ones are found by their header.
 */
export class ProxiedConnections<C extends PooledConnection<C>> extends BackendConnections<C> {
  readonly #preamble: (x: DialRequest) => string;
  readonly #idle = new Map<string, C[]>();

  constructor(backend: Backend, transport: ConnectionsTransport, dialer: BackendDialer) {
    super(backend, transport, dialer);
    this.#preamble = (x) => dialer.preamble(x);
  }

  override take(x: DialRequest): C | null {
    const key = this.#preamble(x);
    const idle = this.#idle.get(key);
    if (idle === undefined) return null;
    for (;;) {
      const upstream = idle.pop() ?? null;
      if (idle.length === 0) this.#idle.delete(key);
      if (upstream === null || upstream.isFresh(x.attemptStartedAt)) return upstream;
      upstream.close();
    }
  }

  override keep(upstream: C): void {
    const idle = this.#idle.get(upstream.preamble);
    if (idle === undefined) this.#idle.set(upstream.preamble, [upstream]);
    else idle.push(upstream);
  }

  override drop(upstream: C): void {
    const idle = this.#idle.get(upstream.preamble);
    const at = idle?.lastIndexOf(upstream) ?? -1;
    if (idle === undefined || at < 0) return;
    idle.splice(at, 1);
    if (idle.length === 0) this.#idle.delete(upstream.preamble);
  }

  override closeIdle(): boolean {
    const idle = [...this.#idle.values()].flat();
    this.#idle.clear();
    for (const upstream of idle) upstream.close();
    return super.closeIdle() || idle.length > 0;
  }
}
