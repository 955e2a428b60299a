import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ConnectionEnds } from '../client/connection-ends.ts';
import type { TrustedProxies } from '../client/trusted-proxies.ts';
import type { ListenerConfig } from '../config/schema.ts';
import { Timed, type TimerWheel } from '../timing/timer-wheel.ts';
import { parseProxyHeader } from './proxy-protocol.ts';
import type { TlsClient, TlsFront } from './tls-front.ts';

/** The listener of an PreHttpConnection. */
export interface PreHttpHost {
  readonly config: ListenerConfig;
  readonly trusted: TrustedProxies;
  /** Null: connections are not encrypted. */
  readonly tls: TlsFront | null;
  /**
   * HTTP begins on the connection.
   * @param early what has been read of it; null: nothing
   */
  arrived(arrival: PreHttpConnection, socket: Socket, early: Buffer | null): void;
  /** It has closed before that. */
  lost(arrival: PreHttpConnection): void;
  /** The handshake came to nothing. */
  handshakeFailed(arrival: PreHttpConnection, reason: HandshakeFailure, problem: string): void;
  /** It is closed for the lack of a PROXY header that can be believed. */
  refused(arrival: PreHttpConnection, reason: ProxyRefusal, problem: string): void;
}

/** Why a handshake came to nothing, as metrics name it. */
export type HandshakeFailure = 'timeout' | 'closed' | 'certificate' | 'protocol';

/** Why a connection is refused at a listener with `proxyProtocol`, as metrics name it. */
export type ProxyRefusal = 'proxy-untrusted' | 'proxy-header' | 'proxy-timeout';

/** First bytes of a connection on which HTTP/2 is spoken with prior knowledge (RFC 9113 section 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

const Step = { proxy: 0, handshake: 1, preface: 2, done: 3 } as const;

/**
 * A connection between accept and its first byte of HTTP: the PROXY header, the TLS handshake, the choice of the
 * protocol. Each has `timeouts.header`, and nothing that happens to it is thrown.
 */
export class PreHttpConnection extends Timed implements TlsClient {
  /** Address of the other end in its one spelling, as the connection has it. */
  readonly acceptedFrom: string;
  /** The same, or what the PROXY header says. */
  peer: string;
  /** What the header says of the client's connection; null: the connection itself knows. */
  ends: ConnectionEnds | null = null;
  secure = false;
  http2 = false;
  readonly #socket: Socket;
  readonly #host: PreHttpHost;
  readonly #wheel: TimerWheel;
  readonly #onReadable = (): void => this.#read();
  #early: Buffer | null = null;
  #step: number = Step.proxy;
  /** A part of the preface has come. */
  #begun = false;
  /** At a graceful stop: how long it may be silent, until when, and how much has come of it by then. */
  #silentMs = Number.POSITIVE_INFINITY;
  #silentUntil = Number.POSITIVE_INFINITY;
  #heard = 0;

  constructor(socket: Socket, address: string, host: PreHttpHost, wheel: TimerWheel) {
    super();
    this.#socket = socket;
    this.acceptedFrom = address;
    this.peer = address;
    this.#host = host;
    this.#wheel = wheel;
    // What goes wrong with a client's connection is the client's business: 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => {
      // Of a handshake the TLS side knows better why it ended, and says so by then.
      if (this.#step === Step.handshake) setImmediate(() => this.#failed('closed', 'the client closed the connection'));
      else this.#lost();
    });
  }

  /** Whether connections of a listener have a way to go before HTTP. */
  static isNeeded({ config, tls }: PreHttpHost): boolean {
    return tls !== null || config.h2c || config.proxyProtocol !== 'off';
  }

  /** Does what comes before HTTP. */
  begin(): void {
    const { config, trusted } = this.#host;
    if (config.proxyProtocol === 'off') return this.#afterProxy();
    if (!trusted.has(this.acceptedFrom)) {
      return this.#refuse('proxy-untrusted', 'the other end is not one of trustedProxies');
    }
    this.#wheel.set(this, config.timeouts.header);
    this.#listen();
  }

  /**
   * A graceful stop begins: it closes when nothing comes of it for so long. `closeIdle` is called on every tick from
   * here on.
   */
  stop(silentMs: number): void {
    this.#silentMs = silentMs;
    this.#heard = this.#socket.bytesRead;
    this.#silentUntil = this.#wheel.at(silentMs);
  }

  /** At a graceful stop: closes it when it has been silent for long enough. */
  closeIdle(): void {
    const { bytesRead } = this.#socket;
    if (bytesRead !== this.#heard) {
      this.#heard = bytesRead;
      this.#silentUntil = this.#wheel.at(this.#silentMs);
    } else if (this.#wheel.due >= this.#silentUntil) this.close();
  }

  /** Closes it at once. */
  close(): void {
    this.#socket.destroy();
  }

  onSecure(socket: TLSSocket): void {
    if (this.#step !== Step.handshake) return;
    socket.on('error', () => {});
    this.secure = true;
    this.http2 = socket.alpnProtocol === 'h2';
    this.#arrived(socket, null);
  }

  onTlsError(error: NodeJS.ErrnoException, authorizationError: string | null): void {
    if (authorizationError === null) this.#failed(failureOf(error), error.message);
    else this.#failed('certificate', authorizationError);
  }

  onDeadline(): void {
    switch (this.#step) {
      case Step.proxy:
        this.#refuse('proxy-timeout', 'no header within timeouts.header');
        break;
      case Step.handshake:
        this.#failed('timeout', 'not finished within timeouts.header');
        break;
      default:
        this.#socket.destroy();
        break;
    }
  }

  // ---- what is read before HTTP begins ----

  #listen(): void {
    // Bytes are taken outside of the callback that they come with: by then the connection can be handed to somebody
    // else.
    this.#socket.on('readable', this.#onReadable);
    this.#socket.on('end', () => {
      if (this.#step !== Step.done) this.#socket.destroy();
    });
  }

  #read(): void {
    for (let piece: Buffer | null; (piece = this.#socket.read() as Buffer | null) !== null; )
      this.#early = this.#early === null ? piece : Buffer.concat([this.#early, piece]);
    const bytes = this.#early;
    if (bytes === null) return;
    if (this.#step === Step.proxy) this.#readProxyHeader(bytes);
    else if (this.#step === Step.preface) this.#readPreface(bytes);
  }

  #readProxyHeader(bytes: Buffer): void {
    const { proxyProtocol } = this.#host.config;
    // A reload may have switched it off meanwhile: this one was accepted with it.
    const header = parseProxyHeader(bytes, proxyProtocol === 'off' ? 'any' : proxyProtocol);
    if (header.kind === 'bad') return this.#refuse('proxy-header', header.problem);
    if (header.kind === 'more') return;
    this.peer = header.address ?? this.acceptedFrom;
    this.ends = header.ends;
    this.#early = header.size < bytes.length ? bytes.subarray(header.size) : null;
    this.#afterProxy();
  }

  #afterProxy(): void {
    const { tls, config } = this.#host;
    if (tls !== null) {
      this.#step = Step.handshake;
      this.#wheel.set(this, config.timeouts.header);
      this.#giveBack();
      tls.accept(this.#socket, this);
    } else if (config.h2c) {
      this.#step = Step.preface;
      // Nothing has come of a request yet: the connection is idle.
      this.#wheel.set(this, config.timeouts.keepAlive);
      if (this.#early !== null) this.#readPreface(this.#early);
      else if (this.#socket.listenerCount('readable') === 0) this.#listen();
    } else this.#arrived(this.#socket, this.#early);
  }

  #readPreface(bytes: Buffer): void {
    const length = Math.min(bytes.length, PREFACE.length);
    if (!bytes.subarray(0, length).equals(PREFACE.subarray(0, length))) return this.#arrived(this.#socket, bytes);
    if (length < PREFACE.length) {
      // From the first byte: one now and then buys no time.
      if (!this.#begun) this.#wheel.set(this, this.#host.config.timeouts.header);
      this.#begun = true;
      if (this.#socket.listenerCount('readable') === 0) this.#listen();
      return;
    }
    this.http2 = true;
    this.#giveBack();
    this.#arrived(this.#socket, null);
  }

  /** Whoever takes the connection next finds what was read of it. */
  #giveBack(): void {
    this.#socket.off('readable', this.#onReadable);
    if (this.#early !== null) this.#socket.unshift(this.#early);
    this.#early = null;
  }

  // ---- ends ----

  #arrived(socket: Socket, early: Buffer | null): void {
    this.#step = Step.done;
    this.#wheel.remove(this);
    this.#socket.off('readable', this.#onReadable);
    this.#host.arrived(this, socket, early);
  }

  #failed(reason: HandshakeFailure, problem: string): void {
    if (this.#step !== Step.handshake) return;
    this.#host.handshakeFailed(this, reason, problem);
    this.#lost();
    this.#socket.destroy();
  }

  #refuse(reason: ProxyRefusal, problem: string): void {
    this.#host.refused(this, reason, problem);
    this.#lost();
    this.#socket.destroy();
  }

  #lost(): void {
    if (this.#step === Step.done) return;
    this.#step = Step.done;
    this.#wheel.remove(this);
    this.#host.lost(this);
  }
}

function failureOf({ code = '' }: NodeJS.ErrnoException): HandshakeFailure {
  if (/^(?:ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE|ERR_SSL_UNEXPECTED_EOF_WHILE_READING)$/.test(code))
    return 'closed';
  return /CERT/.test(code) ? 'certificate' : 'protocol';
}
