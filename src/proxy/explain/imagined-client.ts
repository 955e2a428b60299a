import type { ClientSide } from '../../exchange/client-side.ts';

/** Who a client is, as far as the trusted proxies before it say so. */
export interface ClientAsTold {
  /** The other end of the connection is one of them. */
  readonly trusted: boolean;
  readonly address: string;
  readonly secure: boolean;
  /** Host that it asked for. */
  readonly host: string;
}

/** The client of a request that nobody sends: it has an address, and nothing can be sent to it. */
export class ImaginedClient implements ClientSide {
  readonly address: string;
  readonly secure: boolean;
  readonly trusted: boolean;
  readonly #host: string;
  readonly port = 0;
  readonly localAddress = '';
  readonly localPort = 0;
  readonly tlsIdentity = '';
  readonly trustedRequestId = '';
  readonly chunks = true;
  readonly keepAlive = true;
  readonly multiplexed = false;

  constructor({ address, secure, trusted, host }: ClientAsTold) {
    this.address = address;
    this.secure = secure;
    this.trusted = trusted;
    this.#host = host;
  }

  clientHost(): string {
    return this.#host;
  }

  forwardedLines(): string {
    return '';
  }

  flush(): boolean {
    return true;
  }

  put(): void {}
  putHead(): void {}
  putBytes(): void {}
  finished(): void {}
  abort(): void {}
  cut(): void {}
  readBody(): void {}
  holdBody(): void {}
  tunnel(): void {}
  readAhead(): void {}
  closeAfter(): void {}
}
