import type { Backend } from '../backends/backend.ts';
import { BackendTls } from '../backends/backend-tls.ts';
import type { Pool } from '../backends/pool.ts';
import type { PoolConfig } from '../config/schema.ts';
import type { BackendSigns } from '../health/backend-signs.ts';
import { BackendConnections } from './connections.ts';
import { Http2Dialer } from './http2-dialer.ts';
import type { PooledConnection } from './pooled-connection.ts';
import { ProxiedConnections } from './proxied-connections.ts';
import { SocketDialer } from './socket-dialer.ts';

/** How the backends of a pool are spoken to, as its configuration and the files named there have it. */
export class BackendTransport {
  /** Told what becomes of the connections; null: nobody is. */
  readonly signs: BackendSigns | null;
  readonly #tls: BackendTls;
  readonly #proxyProtocol: PoolConfig['sendProxyProtocol'];

  readonly #http2: boolean;

  private constructor(tls: BackendTls, { sendProxyProtocol, http2 }: PoolConfig, signs: BackendSigns | null) {
    this.signs = signs;
    this.#tls = tls;
    this.#proxyProtocol = sendProxyProtocol;
    this.#http2 = http2;
  }

  /**
   * @param before what this worker had so far: given back when nothing is different, and its connections are still good
   *   then
   * @throws StartError when a file of `tls` cannot be used
   */
  static of(
    { name, config }: Pool,
    before: BackendTransport | null,
    signs: BackendSigns | null = null,
  ): BackendTransport {
    if (before === null) return new BackendTransport(BackendTls.read(name, config.tls), config, signs);
    const tls = before.#tls.readAgain(name, config.tls);
    const same = config.sendProxyProtocol === before.#proxyProtocol && config.http2 === before.#http2;
    return same && tls === before.#tls ? before : new BackendTransport(tls, config, signs);
  }

  connections<C extends PooledConnection<C>>(backend: Backend): BackendConnections<C> {
    const proxied = this.#proxyProtocol !== 'off';
    const plain = !proxied && !this.#http2 && !backend.secure && backend.socketPath === null;
    // HTTP/1.1 over plain TCP is what Upstream does by itself.
    if (plain) return new BackendConnections(backend, this, null);
    const dialer = new SocketDialer(backend, this.#tls, this.#proxyProtocol);
    if (this.#http2)
      return new BackendConnections(backend, this, new Http2Dialer(backend, this.#tls, dialer, this.signs), false);
    return proxied ? new ProxiedConnections(backend, this, dialer) : new BackendConnections(backend, this, dialer);
  }
}
