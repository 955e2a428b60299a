import type { ConnectWaiter } from './connect-waiter.ts';

/** A connection to a backend as the list of them sees it. C is its own type. */
export interface PooledConnection<C> extends ConnectWaiter<C> {
  /** Its neighbours among those that carry an exchange, which are the list's. */
  nextBusy: C | null;
  previousBusy: C | null;
  /** What the connection began with, see BackendDialer. */
  readonly preamble: string;
  /** Address of the client that it belongs to; '' when it is anybody's. */
  readonly ownerAddress: string;
  /** Whether an idle connection may still be used. @param now by performance.now; may lie behind */
  isFresh(now: number): boolean;
  /** Whether an idle connection still is one. @param now as above */
  isOpen(now: number): boolean;
  /** Closes it; its exchange, when it has one, has been dealt with. */
  close(): void;
}
