import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import type { ListenerConfig } from '../config/schema.ts';
import type { TlsCertificate, TlsMaterial } from '../config/tls-material.ts';
import { StartError } from '../errors-start.ts';
import { connectionBelow } from '../sockets/connection-below.ts';

/** What a front is made of. Two that are made of the same do the same. */
export interface TlsFrontParts {
  /** Address of the listener as configured. */
  readonly bind: string;
  readonly tls: NonNullable<ListenerConfig['tls']>;
  readonly material: TlsMaterial;
  /** 48 bytes that tickets are sealed with: the same in all workers. */
  readonly ticketKeys: Uint8Array;
}

/**
 * Who waits for the handshake of a connection. Exactly one of the two is called, unless the connection is closed first.
 */
export interface TlsClient {
  onSecure(socket: TLSSocket): void;
  /** @param authorizationError why the client's certificate was refused; null when that was not it */
  onTlsError(error: NodeJS.ErrnoException, authorizationError: string | null): void;
}

/**
 * Seconds that a ticket is good for. Node knows one key at a time, so that a change of keys costs each client that
 * comes back one full handshake: far from all of them have come within the last hour.
 */
const TICKET_SECONDS = 3_600;
/** Node has a timer of its own for handshakes; the listener's deadline counts, for all that comes before HTTP. */
const NO_TIMEOUT_MS = 2_147_483_647;

/**
 * The TLS side of a listener in one worker: certificates chosen by SNI, ALPN, client certificates, tickets. It never
 * changes: a reload and new ticket keys make another one, and handshakes that are under way end with the one they began
 * with.
 */
export class TlsFront {
  readonly parts: TlsFrontParts;
  readonly #server: Server;
  readonly #exact = new Map<string, SecureContext>();
  readonly #wild = new Map<string, SecureContext>();
  readonly #clients = new WeakMap<object, TlsClient>();

  /** @throws StartError when OpenSSL does not take the certificates */
  constructor(parts: TlsFrontParts) {
    this.parts = parts;
    const { tls, material } = parts;
    const [first, ...others] = material.certificates;
    const verifies = material.clientCa !== null;
    try {
      this.#server = createServer({
        ...this.#options(first!),
        // A client of HTTP/1.0 that says so is one of the same engine; without an entry its handshake would fail.
        ALPNProtocols: tls.alpn.flatMap((protocol) => (protocol === 'http/1.1' ? [protocol, 'http/1.0'] : [protocol])),
        requestCert: verifies,
        rejectUnauthorized: verifies,
        handshakeTimeout: NO_TIMEOUT_MS,
        SNICallback: (name, done) => done(null, this.#contextFor(name)),
      });
      for (const certificate of others) this.#add(certificate.names, createSecureContext(this.#options(certificate)));
    } catch (cause) {
      const { message } = cause as Error;
      throw new StartError(`listeners: the certificates of ${parts.bind} cannot be used: ${message}`, { cause });
    }
    this.#server.on('secureConnection', (socket) => {
      socket.allowHalfOpen = true;
      this.#client(socket)?.onSecure(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => {
      const refused = socket.authorizationError as unknown;
      this.#client(socket)?.onTlsError(error, refused === null || refused === undefined ? null : String(refused));
    });
  }

  /** Begins a handshake on a connection. What was read of it already has been unshifted. */
  accept(connection: Socket, client: TlsClient): void {
    this.#clients.set(connection, client);
    // A client that ends before the handshake is over will never finish it; behind it half-open is as good as on plain
    // connections.
    connection.allowHalfOpen = false;
    this.#server.emit('connection', connection);
  }

  #client(socket: TLSSocket): TlsClient | undefined {
    return this.#clients.get(connectionBelow<Socket>(socket));
  }

  #options({ cert, key }: TlsCertificate) {
    const { bind, tls, material, ticketKeys } = this.parts;
    return {
      cert,
      key,
      minVersion: tls.minVersion,
      ...(material.clientCa === null ? {} : { ca: material.clientCa }),
      ticketKeys: Buffer.from(ticketKeys),
      sessionTimeout: TICKET_SECONDS,
      // A ticket is taken by the contexts with the same id only. It stands for a client certificate that was verified,
      // so it is no good at another listener nor once other authorities sign (nginx's CVE-2025-23419 was that).
      sessionIdContext: createHash('sha256')
        .update(`${bind}\0${material.clientCa ?? ''}`)
        .digest('hex')
        .slice(0, 32),
    };
  }

  #add(names: readonly string[], context: SecureContext): void {
    const first = this.parts.material.certificates[0]!.names;
    for (const name of names) {
      // Of two certificates for one name the one that is listed first is taken.
      if (first.includes(name)) continue;
      const wild = name.startsWith('*.');
      const map = wild ? this.#wild : this.#exact;
      const key = wild ? name.slice(2) : name;
      if (!map.has(key)) map.set(key, context);
    }
  }

  /**
   * An exact name goes before a wildcard, which stands for one label (RFC 9525 section 6.3). Undefined: the default.
   */
  #contextFor(asked: string): SecureContext | undefined {
    const name = asked.toLowerCase();
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    if (this.parts.material.certificates[0]!.names.includes(name)) return undefined;
    const dot = name.indexOf('.');
    return dot < 0 ? undefined : this.#wild.get(name.slice(dot + 1));
  }
}
