/** What happens to a connection that its owner acts on. None of these throws. */
export interface SocketEvents {
  /** bytes[0, size) have come; they are only there until it returns. False: stop reading until `resume`. */
  onBytes(size: number, bytes: Buffer): boolean;
  /** FIN has come: the other side sends nothing more. */
  onEnd(): void;
  /**
   * Reading is paused, and the other side has ended or broken off the connection, behind what it has sent. Only where
   * that can be known.
   * @param reset it has broken it off; otherwise `onEnd` comes once all has been read
   */
  onPeerGone?(reset: boolean): void;
  /** All that was written is out, after `writableLength` had reached the high-water mark. */
  onDrain(): void;
  /**
   * A write has failed: the connection takes nothing more, and closes. Not called by connections that read to their end
   * by themselves.
   * @param whole of what was to be written the system has taken nothing
   * @returns true: what has come before is told first. Absent: false
   */
  onWriteFailed?(whole: boolean): boolean;
  /**
   * It has closed. Called once, and not before the call that closes it has returned.
   * @param error why; null: in good order, or because its owner wanted it
   */
  onClose(error: NodeJS.ErrnoException | null): void;
}

/** The same of a connection that is being opened. */
export interface OpeningEvents extends SocketEvents {
  /** It is open, encrypted where it is to be, and reads. Not called for one that is open from the beginning. */
  onOpen(socket: ByteSocket): void;
}

/**
 * A connection as the data path sees it: bytes go in and come out. DirectSocket is one, and so is what Node makes of
 * TLS, and a stream of HTTP/2 that is made to look like one.
 */
export interface ByteSocket {
  /** It is closed, or about to be: `onClose` may not have been called yet. */
  readonly destroyed: boolean;
  /** Bytes written that the system has not taken yet. */
  readonly writableLength: number;
  readonly writableHighWaterMark: number;
  write(data: string | Buffer, encoding?: 'latin1'): unknown;
  /**
   * Writes a copy of bytes[start, end): they may be used again when this returns.
   * @param before latin1 text that goes out in front of them, together with them where that saves something
   */
  writeCopy(bytes: Buffer, start: number, end: number, before?: string): void;
  /** What is written until `uncork` leaves at once, together. */
  cork(): void;
  uncork(): void;
  pause(): unknown;
  resume(): unknown;
  /** Tells at once what has come, or that the other side has ended. False: that cannot be found out now. */
  look(): boolean;
  /** Has everything that happens from here on told to `events`, in place of who was told until now. */
  handTo(events: SocketEvents): void;
  /** Sends FIN behind what was written. @param done called once it is out; not when the connection closes before */
  end(done?: () => void): unknown;
  destroy(): unknown;
  /** Closes once everything written has gone out. */
  destroySoon(): void;
}
