import type { OnReadOpts } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import type { Backend } from '../backends/backend.ts';
import { backendAddress } from '../backends/backend-address.ts';
import type { BackendTls } from '../backends/backend-tls.ts';
import { openBackend } from '../backends/open-backend.ts';
import { proxyHeader } from '../backends/proxy-header.ts';
import type { DialRequest } from '../exchange/dial-request.ts';
import type { OpeningEvents } from '../sockets/byte-socket.ts';
import { NodeSocket } from '../sockets/node-socket.ts';
import { openSocket } from '../sockets/open-socket.ts';
import { readBeforeClosing } from '../sockets/read-before-closing.ts';
import type { BackendDialer } from './backend-dialer.ts';
import type { BackendSocket } from './backend-socket.ts';

/** The same for all connections of this thread: an idle one holds none. */
const shared = Buffer.allocUnsafeSlow(65_536);

const HTTP1 = ['http/1.1'];

/** HTTP/1.1 over TLS or a unix socket, or behind a PROXY header. */
export class SocketDialer implements BackendDialer {
  readonly #backend: Backend;
  readonly #tls: BackendTls;
  readonly #proxyProtocol: 'off' | 'v1' | 'v2';
  /** The latest TLS session: the next connection goes on with it instead of a whole handshake (RFC 8446 2.2). */
  #session: Buffer | undefined;

  /** @param tls used where the backend's url says so */
  constructor(backend: Backend, tls: BackendTls, proxyProtocol: 'off' | 'v1' | 'v2') {
    this.#backend = backend;
    this.#tls = tls;
    this.#proxyProtocol = proxyProtocol;
  }

  preamble({ client }: DialRequest): string {
    return this.#proxyProtocol === 'off' ? '' : proxyHeader(this.#proxyProtocol, client);
  }

  closeIdle(): boolean {
    return false;
  }

  isOpen(): boolean {
    return false;
  }

  dial(x: DialRequest, events: OpeningEvents): BackendSocket {
    const preamble = this.preamble(x);
    const { tcpKeepAlive } = x.pool!.config.timeouts;
    if (!this.#backend.secure) return openSocket(backendAddress(this.#backend), preamble, events, tcpKeepAlive);
    return preamble === '' ? this.#dialTls(tcpKeepAlive, events) : this.#dialTlsBehind(preamble, tcpKeepAlive, events);
  }

  #dialTls(keepAliveMs: number, events: OpeningEvents): NodeSocket {
    // `onread` and `allowHalfOpen` are documented for tls.connect too, and missing in its types.
    const options: ConnectionOptions & { readonly onread: OnReadOpts; readonly allowHalfOpen: boolean } = {
      ...this.#tls.options(HTTP1),
      ...backendAddress(this.#backend),
      allowHalfOpen: true,
      session: this.#session,
      onread: { buffer: shared, callback: (size, bytes) => opening.take(size, bytes as Buffer) },
    };
    const socket = connectTls(options);
    socket.setNoDelay(true);
    if (keepAliveMs > 0) socket.setKeepAlive(true, Math.max(keepAliveMs, 1_000));
    const opening = new NodeSocket(socket, events);
    opening.watchEnds();
    return this.#secured(socket, opening, events);
  }

  /** The header goes in front of the handshake, in the clear. */
  #dialTlsBehind(preamble: string, keepAliveMs: number, events: OpeningEvents): NodeSocket {
    const socket = openBackend(this.#backend, {
      tls: this.#tls,
      alpn: HTTP1,
      preamble,
      halfOpen: true,
      keepAliveMs,
      session: this.#session,
    }) as TLSSocket;
    // tls.connect takes no buffer of ours for a connection that it did not open.
    const opening = new NodeSocket(socket, events);
    opening.watch();
    opening.resume();
    return this.#secured(socket, opening, events);
  }

  #secured(socket: TLSSocket, opening: NodeSocket, events: OpeningEvents): NodeSocket {
    let open = false;
    readBeforeClosing(socket, opening);
    socket.on('secureConnect', () => {
      open = true;
      events.onOpen(opening);
    });
    socket.on('session', (session) => {
      this.#session = session;
    });
    socket.on('error', () => {
      // It may be the session that the backend does not like any more.
      if (!open) this.#session = undefined;
    });
    return opening;
  }
}
