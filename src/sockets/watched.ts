/** A connection that is read when the system says that something has come. */
export interface Watched {
  /** Given by `watch`. */
  watchId: number;
  /**
   * It is told before others of the same turn: what ends connections to backends before the requests that would go out
   * on them.
   */
  readonly first: boolean;
  /** Whether it wants to be told of what comes: not while it is paused, nor behind the end. */
  readonly reads: boolean;
  /**
   * There may be something to read.
   * @param closing the other side has ended or broken off: there is more behind what one read brings
   * @param broken it has broken off
   */
  onReadable(closing: boolean, broken: boolean): void;
}
