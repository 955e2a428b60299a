import type { TLSSocket } from 'node:tls';

/** The certificate that a client has shown in its handshake. Looked at when somebody asks, once a connection. */
export class ClientCertificate {
  readonly #socket: TLSSocket;
  #identity: string | null = null;

  /** @param socket whose handshake is over */
  constructor(socket: TLSSocket) {
    this.#socket = socket;
  }

  /**
   * SHA-256 fingerprint of the certificate, in upper-case hex with colons; '' when none was shown, or none that is
   * verified.
   */
  get identity(): string {
    // A resumed session brings the certificate of its first handshake along, in the ticket.
    this.#identity ??= this.#socket.authorized ? (this.#socket.getPeerX509Certificate()?.fingerprint256 ?? '') : '';
    return this.#identity;
  }
}
