import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ListenerConfig } from '../config/schema.ts';
import { Timed, type TimerWheel } from '../timing/timer-wheel.ts';
import type { ClientSocket } from './client-socket.ts';
import type { TlsClient, TlsFront } from './tls-front.ts';

/** The listener of an Arrival. */
export interface ArrivalHost {
  readonly config: ListenerConfig;
  /** Null: connections are not encrypted. */
  readonly tls: TlsFront | null;
  /**
   * HTTP begins on the connection.
   * @param early what has been read of it; null: nothing
   */
  arrived(arrival: Arrival, socket: ClientSocket, early: Buffer | null): void;
  /** It has closed before that. */
  lost(arrival: Arrival): void;
  /** The handshake came to nothing. */
  handshakeFailed(arrival: Arrival, reason: HandshakeFailure, error: Error): void;
}

/** Why a handshake came to nothing, as metrics name it. */
export type HandshakeFailure = 'timeout' | 'closed' | 'certificate' | 'protocol';

/**
 * A connection between accept and its first byte of HTTP. It has `timeouts.header` for all of that, and nothing that happens
 * to it is thrown.
 */
export class Arrival extends Timed implements TlsClient {
  /** Address of the peer in its one spelling. */
  peer: string;
  secure = false;
  /** Protocol that was agreed upon by ALPN; '' when none was. */
  protocol = '';
  readonly #socket: Socket;
  readonly #host: ArrivalHost;
  readonly #wheel: TimerWheel;
  #done = false;

  constructor(socket: Socket, peer: string, host: ArrivalHost, wheel: TimerWheel) {
    super();
    this.#socket = socket;
    this.peer = peer;
    this.#host = host;
    this.#wheel = wheel;
    // What goes wrong with a client's connection is the client's business: 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => {
      // Of a handshake the TLS side knows better why it ended, and says so by then.
      if (host.tls === null) this.#lost();
      else setImmediate(() => this.#fail('closed', new Error('the client closed the connection')));
    });
    wheel.set(this, host.config.timeouts.header);
  }

  /** Does what comes before HTTP. */
  begin(): void {
    const { tls } = this.#host;
    if (tls === null) this.#arrived(this.#socket, null);
    else tls.accept(this.#socket, this);
  }

  /** Closes it at once. */
  close(): void {
    this.#socket.destroy();
  }

  onSecure(socket: TLSSocket): void {
    if (this.#done) return;
    socket.on('error', () => {});
    this.secure = true;
    this.protocol = socket.alpnProtocol || '';
    this.#arrived(socket, null);
  }

  onTlsError(error: NodeJS.ErrnoException, authorizationError: string | null): void {
    this.#fail(authorizationError === null ? failureOf(error) : 'certificate', error);
  }

  onDeadline(): void {
    if (this.#host.tls === null) this.#socket.destroy();
    else this.#fail('timeout', new Error('the handshake took longer than timeouts.header'));
  }

  #fail(reason: HandshakeFailure, error: Error): void {
    if (this.#done) return;
    this.#host.handshakeFailed(this, reason, error);
    this.#lost();
    this.#socket.destroy();
  }

  #arrived(socket: ClientSocket, early: Buffer | null): void {
    this.#done = true;
    this.#wheel.remove(this);
    this.#host.arrived(this, socket, early);
  }

  #lost(): void {
    if (this.#done) return;
    this.#done = true;
    this.#wheel.remove(this);
    this.#host.lost(this);
  }
}

function failureOf({ code = '' }: NodeJS.ErrnoException): HandshakeFailure {
  if (/^(?:ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE|ERR_SSL_UNEXPECTED_EOF_WHILE_READING)$/.test(code))
    return 'closed';
  return /CERT/.test(code) ? 'certificate' : 'protocol';
}
