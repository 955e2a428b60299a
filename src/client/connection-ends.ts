/**
 * Ports and address of a connection, as net.Socket has them. They are looked at only where a backend is told
 * (`sendProxyProtocol`).
 */
export interface ConnectionEnds {
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}
