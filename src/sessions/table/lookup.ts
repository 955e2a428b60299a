/** What the session table knows of a key. */
export const Lookup = {
  /** Nothing: never seen, expired long ago, evicted, or a tombstone whose time is over. */
  NONE: 0,
  /** Bound to a backend. */
  LIVE: 1,
  /** Was bound until just now, and too long without a request. */
  IDLE_EXPIRED: 2,
  /** Was bound until just now, and its lifetime is over. */
  LIFETIME_EXPIRED: 3,
  /** Ended: refused until its tombstone's time is over (behaviour 24). */
  ENDED: 4,
  /** Bound, but to another address, agent or certificate than the one that asks. */
  FOREIGN: 5,
  /**
   * Another name of a session, which has the row: of a row alone, since whoever asks by such a key is shown that
   * session.
   */
  JOINED: 6,
} as const;

/** One of the values of Lookup. */
export type Lookup = (typeof Lookup)[keyof typeof Lookup];
