import type { Backend } from '../backends/backend.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { BackendDialer } from './backend-dialer.ts';
import type { BackendTransport } from './backend-transport.ts';
import { BackendConnections } from './connections.ts';
import type { Upstream } from './upstream.ts';

/**
 * Connections that begin with a PROXY header: what it says holds for all that follows, so each serves one connection of a client,
 * and idle ones are found by their header.
 */
export class ProxiedConnections extends BackendConnections {
  readonly #preamble: (x: Exchange) => string;
  readonly #idle = new Map<string, Upstream[]>();

  constructor(backend: Backend, transport: BackendTransport, dialer: BackendDialer) {
    super(backend, transport, dialer);
    this.#preamble = (x) => dialer.preamble(x);
  }

  override take(x: Exchange): Upstream | null {
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

  override keep(upstream: Upstream): void {
    const idle = this.#idle.get(upstream.preamble);
    if (idle === undefined) this.#idle.set(upstream.preamble, [upstream]);
    else idle.push(upstream);
  }

  override drop(upstream: Upstream): void {
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
