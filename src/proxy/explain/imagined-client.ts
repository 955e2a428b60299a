import type { ClientSide } from '../../forwarding/exchange.ts';
import type { Head } from '../../http1/head.ts';

/** The client of a request that nobody sends: it has an address, and nothing can be sent to it. */
export class ImaginedClient implements ClientSide {
  readonly address: string;
  readonly secure: boolean;
  readonly port = 0;
  readonly localAddress = '';
  readonly localPort = 0;
  readonly tlsIdentity = '';
  readonly trustedRequestId = '';
  readonly chunks = true;
  readonly keepAlive = true;

  constructor(address: string, secure: boolean) {
    this.address = address;
    this.secure = secure;
  }

  clientHost({ host }: Head): string {
    return host;
  }

  forwardedLines(): string {
    return '';
  }

  flush(): boolean {
    return true;
  }

  put(): void {}
  putBytes(): void {}
  finished(): void {}
  abort(): void {}
  cut(): void {}
  readBody(): void {}
  holdBody(): void {}
  tunnel(): void {}
  resumeTunnel(): void {}
  endTunnel(): void {}
  closeTunnel(): void {}
  closeAfter(): void {}
}
