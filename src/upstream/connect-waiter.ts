import type { DialRequest } from '../exchange/dial-request.ts';

/** A connection to a backend that waits in a ConnectQueue: it may not be opened yet. W is its own type. */
export interface ConnectWaiter<W> {
  /** Its neighbours in the queue, which are the queue's. */
  nextWaiting: W | null;
  previousWaiting: W | null;
  /** The exchange that it is to carry. */
  readonly exchange: DialRequest | null;
  /** It may be opened. */
  connectNow(): void;
  /** Whether its request can go out on `free`, a connection that has served before, instead. */
  canReuse(free: W): boolean;
}
