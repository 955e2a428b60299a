import type { Backend } from '../backends/backend.ts';

/** What an exchange tells of its wait for a place at a full backend (see Waiter). X is the exchange. */
export interface PlaceEvents<X> {
  /** A request that waited for a place has one. */
  send(x: X, backend: Backend): void;
  queueTimeout(x: X): void;
  backendGone(x: X): void;
}
