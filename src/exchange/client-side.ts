import type { Head } from '../http1/head.ts';
import type { Attempt } from './attempt.ts';

/**
 * The client's side of an exchange, as the data path sees it: an HTTP/1.1 connection, or a stream of HTTP/2 that looks
 * like one.
 */
export interface ClientSide {
  /** Address of the client as text, behind trusted proxies. */
  readonly address: string;
  /** Port of the client, when `address` is the other end of its connection; 0: it is not, or not known. */
  readonly port: number;
  /** Where the client's connection came in; '' and 0: not known. */
  readonly localAddress: string;
  readonly localPort: number;
  /** SHA-256 fingerprint of the client's verified certificate; '' when it has shown none. */
  readonly tlsIdentity: string;
  /** Its peer is one of `trustedProxies`. */
  readonly trusted: boolean;
  /** The client's connection is TLS, its own or as told by a trusted proxy. */
  readonly secure: boolean;
  /** Host that the client asked for, behind trusted proxies; `head` is that of this request. */
  clientHost(head: Head): string;
  /** X-Forwarded-*, Forwarded and Via lines for the backend. */
  forwardedLines(): string;
  /** Value of X-Request-Id when a trusted proxy sent one; '' otherwise. */
  readonly trustedRequestId: string;
  /** The body of a response may be sent in chunked coding. */
  readonly chunks: boolean;
  /** It is one of the streams of a connection, which others of it may be somebody else's. */
  readonly multiplexed: boolean;
  /** Adds text to the output; it leaves with the next flush. */
  put(text: string): void;
  /** Adds the head of a response as it came, which is bytes[start, end). They have to be there until the next flush. */
  putHead(bytes: Buffer, start: number, end: number): void;
  /** Adds bytes[start, end) to the output. They have to be there until the next flush. */
  putBytes(bytes: Buffer, start: number, end: number): void;
  /** Sends what has been put. False: the client reads slowly, stop until `Attempt.resume` is called. */
  flush(): boolean;
  /** The response is whole. The exchange object may be in use for the next request when this returns. */
  finished(): void;
  /** Drops the connection: nobody is there to read more. */
  abort(): void;
  /**
   * Ends the connection in the middle of a response: what was sent goes out, and does not look whole (behaviour 64).
   */
  cut(): void;
  /**
   * Reads what has come from the client by now, where that can be found out. Not to be called while anything else that
   * was read is looked at.
   */
  readAhead(): void;
  /** Lets the request body come, or come again. */
  readBody(): void;
  /** Stops the request body from coming. */
  holdBody(): void;
  /** The backend agreed to an upgrade: from here on the client's connection is half of a tunnel. */
  tunnel(attempt: Attempt): void;
  /** The connection takes no further request after this exchange. */
  closeAfter(): void;
  /** Whether it will take one, as things stand. */
  readonly keepAlive: boolean;
}
