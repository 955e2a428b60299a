import type { Head } from '../http1/head.ts';
import { clientAddress, clientHost, clientScheme, forwardedLines } from './client-address.ts';
import type { ConnectionEnds } from './connection-ends.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

/** By the version in which requests come (RFC 9110 7.6.3): HTTP/1.0, HTTP/1.1, HTTP/2. */
const VIA = ['Via: 1.0 limpet\r\n', 'Via: 1.1 limpet\r\n', 'Via: 2.0 limpet\r\n'] as const;

/** Who is at the other end of a connection, and how it came. */
export interface AcceptedClient {
  /**
   * Address of the peer in its one spelling (`TrustedProxies.normalise`); '' when it has none, such as behind a unix
   * socket.
   */
  readonly peer: string;
  /** The connection itself is encrypted. */
  readonly secure: boolean;
  /** Absent: the connection itself knows them. */
  readonly ends?: ConnectionEnds;
  /** Of a connection that is TLS. */
  readonly certificate?: { readonly identity: string };
  /** It is a stream of HTTP/2. */
  readonly http2?: boolean;
}

/**
 * Who sends the requests of a connection, as its peer is or, where that is a trusted proxy, as the peer says with each
 * of them.
 */
export class ClientIdentity {
  readonly peer: string;
  /** Address of the client. */
  address: string;
  /** The client's connection is TLS. */
  secure: boolean;
  /** The peer is one of `trustedProxies`. */
  trusted: boolean;
  readonly #ends: ConnectionEnds;
  readonly #ownTls: boolean;
  readonly #certificate: AcceptedClient['certificate'];
  readonly #http2: boolean;
  /** By what `trusted` was found out: a reload may say otherwise. */
  #proxies: TrustedProxies;
  #forwardedHost = '';
  #forwarded = '';
  #forwardedVia = '';

  /** @param ends of the connection, where `accepted` has none */
  constructor(
    { peer, secure, ends: told, certificate, http2 = false }: AcceptedClient,
    ends: ConnectionEnds,
    proxies: TrustedProxies,
  ) {
    this.peer = peer;
    this.address = peer;
    this.secure = secure;
    this.trusted = proxies.has(peer);
    this.#ends = told ?? ends;
    this.#ownTls = secure;
    this.#certificate = certificate;
    this.#http2 = http2;
    this.#proxies = proxies;
  }

  /** A request with this head has come. @param proxies those that are trusted by now */
  read(head: Head, proxies: TrustedProxies): void {
    if (proxies !== this.#proxies) {
      this.#proxies = proxies;
      this.trusted = proxies.has(this.peer);
      this.address = this.peer;
      this.secure = this.#ownTls;
      this.#forwarded = '';
    }
    if (!this.trusted) return;
    this.address = clientAddress(this.peer, true, head, proxies);
    this.secure = clientScheme(this.#ownTls, true, head, proxies) === 'https';
  }

  /** Port of the client; 0: not known, as of one that a trusted proxy names. */
  get port(): number {
    return this.address === this.peer ? (this.#ends.remotePort ?? 0) : 0;
  }

  /** Where the connection came in; '' and 0: not known. */
  get localAddress(): string {
    return this.#ends.localAddress ?? '';
  }

  get localPort(): number {
    return this.#ends.localPort ?? 0;
  }

  /** SHA-256 fingerprint of a verified certificate; '' when none was shown. */
  get tlsIdentity(): string {
    return this.#certificate?.identity ?? '';
  }

  /** Host that the client asked for with this head. */
  host(head: Head): string {
    return clientHost(this.trusted, head, this.#proxies);
  }

  /**
   * X-Forwarded-*, Forwarded and Via lines of a request.
   * @param host that it names
   * @param minor its version
   * @param head its head, where the peer is trusted
   */
  forwardedLines(host: string, minor: number, head: Head): string {
    const via = VIA[this.#http2 ? 2 : minor === 0 ? 0 : 1];
    if (this.trusted) return forwardedLines(this.peer, true, this.secure, host, head) + via;
    if (this.#forwarded === '' || this.#forwardedHost !== host || this.#forwardedVia !== via) {
      // Written for each host only once, and as one flat string.
      this.#forwardedHost = host;
      this.#forwardedVia = via;
      const lines = forwardedLines(this.peer, false, this.secure, host, null) + via;
      this.#forwarded = Buffer.from(lines, 'latin1').latin1Slice();
    }
    return this.#forwarded;
  }
}
