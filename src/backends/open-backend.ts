import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { tcpKeepAlive } from '../sockets/tcp-keep-alive.ts';
import type { Backend } from './backend.ts';
import { backendAddress } from './backend-address.ts';
import type { BackendTls } from './backend-tls.ts';

/** How a connection is opened. */
interface OpenOptions {
  /** Used where the backend's url says so. */
  readonly tls: BackendTls;
  /** Protocols offered over TLS. */
  readonly alpn: readonly string[];
  /** Goes out before anything else, TLS too, as latin1 text; '': nothing does. */
  readonly preamble: string;
  /** Our side stays open when the backend has ended its own: not for HTTP/2, where that is the end. */
  readonly halfOpen: boolean;
  /** See `tcpKeepAlive`; absent: never. */
  readonly keepAliveMs?: number;
  /** Of TLS, to go on with. */
  readonly session?: Buffer | undefined;
  /** In place of the backend's own. */
  readonly port?: number | null;
}

/**
 * Opens a connection to a backend, encrypted where its url says so: `connect` and `secureConnect` say when it is open.
 */
export function openBackend(backend: Backend, options: OpenOptions): Socket | TLSSocket {
  const address = backendAddress(backend, options.port ?? null);
  const below = connect({
    ...address,
    noDelay: true,
    allowHalfOpen: options.halfOpen,
    ...tcpKeepAlive(options.keepAliveMs ?? 0),
  });
  // It leaves when the connection is open, before anything that is written then.
  if (options.preamble !== '') below.write(options.preamble, 'latin1');
  if (!backend.secure) return below;
  const { tls, alpn, session } = options;
  // `host` is what the certificate is held against.
  const socket = connectTls({ ...tls.options(alpn), host: backend.host, socket: below, session });
  below.on('error', (error) => socket.destroy(error));
  return socket;
}
