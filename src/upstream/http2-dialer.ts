import { TLSSocket } from 'node:tls';
import type { Backend } from '../backends/backend.ts';
import type { BackendTls } from '../backends/backend-tls.ts';
import { openBackend } from '../backends/open-backend.ts';
import type { DialRequest } from '../exchange/dial-request.ts';
import type { BackendSigns } from '../health/backend-signs.ts';
import type { OpeningEvents } from '../sockets/byte-socket.ts';
import type { BackendDialer } from './backend-dialer.ts';
import type { BackendSocket } from './backend-socket.ts';
import { BackendSession } from './http2/backend-session.ts';
import { BackendStream } from './http2/backend-stream.ts';
import type { SocketDialer } from './socket-dialer.ts';

const HTTP2 = ['h2'];

/**
 * HTTP/2 to a backend: by ALPN over TLS, with prior knowledge otherwise (RFC 9113 3.3). One session for all requests,
 * and more when it has no stream left. A request that wants to switch protocols goes over HTTP/1.1, as HTTP/2 has no
 * Upgrade (RFC 9113 8.6), and so does one that says who is at the other end of its connection, as a session is
 * everybody's.
 */
export class Http2Dialer implements BackendDialer {
  readonly #backend: Backend;
  readonly #tls: BackendTls;
  readonly #http1: SocketDialer;
  readonly #signs: BackendSigns | null;
  /** Those that take requests, by what they began with. */
  readonly #sessions = new Map<string, BackendSession[]>();
  /** How many streams at once the backend took on the latest session; null: it has not said yet. */
  #streams: number | null = null;
  /** The latest TLS session, as in SocketDialer. */
  #tlsSession: Buffer | undefined;

  /** @param signs told of the sessions; null: nobody is */
  constructor(backend: Backend, tls: BackendTls, http1: SocketDialer, signs: BackendSigns | null) {
    this.#signs = signs;
    this.#backend = backend;
    this.#tls = tls;
    this.#http1 = http1;
  }

  preamble(x: DialRequest): string {
    return this.#http1.preamble(x);
  }

  isOpen(x: DialRequest): boolean {
    if (overHttp1(x)) return false;
    // As `dial` looks for one.
    return this.#sessions.get(this.preamble(x))?.findLast(({ hasRoom }) => hasRoom)?.open ?? false;
  }

  dial(x: DialRequest, events: OpeningEvents): BackendSocket {
    if (overHttp1(x)) return this.#http1.dial(x, events);
    const preamble = this.preamble(x);
    const sessions = this.#sessions.get(preamble);
    const session =
      sessions?.findLast(({ hasRoom }) => hasRoom) ??
      this.#open(preamble, sessions?.[0]?.streams ?? this.#streams, x.pool!.config.timeouts.tcpKeepAlive);
    return new BackendStream(session, events);
  }

  closeIdle(): boolean {
    let closed = false;
    for (const session of [...this.#sessions.values()].flat()) closed = session.closeIdle() || closed;
    return closed;
  }

  /** @param streams how many at once, as far as is known */
  #open(preamble: string, streams: number | null, keepAliveMs: number): BackendSession {
    const socket = openBackend(this.#backend, {
      tls: this.#tls,
      alpn: HTTP2,
      preamble,
      halfOpen: false,
      keepAliveMs,
      session: this.#tlsSession,
    });
    if (socket instanceof TLSSocket) {
      socket.on('session', (latest) => {
        this.#tlsSession = latest;
      });
      socket.on('error', () => {
        this.#tlsSession = undefined;
      });
    }
    const signs = this.#signs;
    const backend = this.#backend;
    if (signs !== null) {
      socket.once(backend.secure ? 'secureConnect' : 'connect', () => {
        signs.opened(backend);
        socket.once('close', () => signs.closed(backend, !session.endsByUs));
      });
    }
    const session = new BackendSession(
      socket,
      streams,
      () => this.#drop(preamble, session),
      // Its end would tell of that of the backend.
      () => (signs?.isLast(backend) ?? false) && signs!.wantsLifeline(backend),
    );
    const others = this.#sessions.get(preamble);
    if (others === undefined) this.#sessions.set(preamble, [session]);
    else others.push(session);
    return session;
  }

  #drop(preamble: string, session: BackendSession): void {
    this.#streams = session.streams;
    const sessions = this.#sessions.get(preamble);
    const at = sessions?.indexOf(session) ?? -1;
    if (sessions === undefined || at < 0) return;
    sessions.splice(at, 1);
    if (sessions.length === 0) this.#sessions.delete(preamble);
  }
}

function overHttp1({ upgrade, personal }: DialRequest): boolean {
  return upgrade !== '' || personal;
}
