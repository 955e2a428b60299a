/** Time for what runs in the background; tests pass one that they move by hand. */
export interface Clock {
  /** Milliseconds since the epoch: the only clock that all threads share. */
  now(): number;
  /** Returns a handle for `clear`. */
  set(callback: () => void, ms: number): unknown;
  clear(handle: unknown): void;
}

/** The real time. */
export const SYSTEM_CLOCK: Clock = {
  now: Date.now,
  set: (callback, ms) => setTimeout(callback, ms),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
};
