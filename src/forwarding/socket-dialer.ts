import { connect, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import type { Backend } from '../backends/backend.ts';
import { backendAddress } from '../backends/backend-address.ts';
import type { BackendTls } from '../backends/backend-tls.ts';
import type { BackendDialer } from './backend-dialer.ts';
import type { BackendSocket, SocketEvents } from './backend-socket.ts';

/** The same for all connections of this thread: an idle one holds none. */
const shared = Buffer.allocUnsafeSlow(65_536);

const HTTP1 = ['http/1.1'];

/** HTTP/1.1 over TLS or a unix socket. */
export class SocketDialer implements BackendDialer {
  readonly #backend: Backend;
  readonly #tls: BackendTls;
  /** The latest TLS session: the next connection goes on with it instead of a whole handshake (RFC 8446 2.2). */
  #session: Buffer | undefined;

  /** @param tls used where the backend's url says so */
  constructor(backend: Backend, tls: BackendTls) {
    this.#backend = backend;
    this.#tls = tls;
  }

  closeIdle(): boolean {
    return false;
  }

  dial(_x: unknown, events: SocketEvents): BackendSocket {
    return this.#backend.secure ? this.#dialTls(events) : this.#dialPlain(events);
  }

  #dialPlain(events: SocketEvents): Socket {
    const socket = connect({
      ...backendAddress(this.#backend),
      noDelay: true,
      allowHalfOpen: true,
      onread: { buffer: shared, callback: (size, bytes) => events.onBytes(size, bytes as Buffer) },
    });
    return socket.on('connect', () => events.onOpen());
  }

  #dialTls(events: SocketEvents): TLSSocket {
    // `onread` and `allowHalfOpen` are documented for tls.connect too, and missing in its types.
    const options: ConnectionOptions & { readonly onread: OnReadOpts; readonly allowHalfOpen: boolean } = {
      ...this.#tls.options(HTTP1),
      ...backendAddress(this.#backend),
      allowHalfOpen: true,
      session: this.#session,
      onread: { buffer: shared, callback: (size, bytes) => events.onBytes(size, bytes as Buffer) },
    };
    const socket = connectTls(options);
    socket.setNoDelay(true);
    return this.#secured(socket, events);
  }

  #secured(socket: TLSSocket, events: SocketEvents): TLSSocket {
    let open = false;
    socket.on('secureConnect', () => {
      open = true;
      events.onOpen();
    });
    socket.on('session', (session) => {
      this.#session = session;
    });
    socket.on('error', () => {
      // It may be the session that the backend does not like any more.
      if (!open) this.#session = undefined;
    });
    return socket;
  }
}
