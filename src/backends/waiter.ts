import type { Backend } from './backend.ts';

/**
 * A request that waits for a place at a backend below its maxRequests. Its owner implements the callbacks and sets
 * `deadline`.
 */
export interface Waiter {
  /** When it gives up, in ms of the clock that `BackendQueue.expire` is called with. */
  deadline: number;
  /** It has a place now and is counted in flight: send the request, then call `BackendQueue.release`. */
  onPlace(backend: Backend): void;
  /** The deadline has passed; it waits no longer: QUEUE_TIMEOUT. */
  onQueueTimeout(): void;
  /** The backend went down, was ejected or went into maintenance; it waits no longer: choose another backend. */
  onBackendGone(backend: Backend): void;

  // Written by BackendQueue only; start with null, null, null, 0.
  queuedAt: Backend | null;
  queuePrevious: Waiter | null;
  queueNext: Waiter | null;
  queueTicket: number;
}
