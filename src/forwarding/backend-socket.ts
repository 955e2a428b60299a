/**
 * What a connection to a backend is to Upstream: HTTP/1.1 bytes go in and come out. A net.Socket and a tls.TLSSocket are one,
 * and so is a stream of an HTTP/2 session that is made to look like one.
 */
export interface BackendSocket {
  /** It is not open yet. */
  readonly connecting: boolean;
  readonly writableLength: number;
  readonly writableHighWaterMark: number;
  write(data: string | Buffer, encoding?: BufferEncoding): boolean;
  cork(): void;
  uncork(): void;
  end(): void;
  resume(): unknown;
  destroy(): void;
  /** Closes once everything written has gone out. */
  destroySoon(): void;
  on(event: 'end' | 'drain' | 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
}

/** What a dialer calls back. */
export interface SocketEvents {
  /** The connection is open, and encrypted where it is to be. Not called for one that is open when `dial` returns. */
  onOpen(): void;
  /** bytes[0, size) have come; they are only there until it returns. False: stop reading until `resume`. */
  onBytes(size: number, bytes: Buffer): boolean;
}
