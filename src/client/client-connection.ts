import type { StopTimes } from './stop-times.ts';

/** A connection of a client as its listener has it, whatever it speaks: what a graceful stop and short memory need. */
export interface ClientConnection {
  /**
   * A graceful stop begins. `closeIdle` is called on every tick from here on.
   * @param random in [0, 1): spreads what is told to clients over the time
   */
  stop(times: StopTimes, random: () => number): void;
  /** Ends what has been idle for long enough. */
  closeIdle(): void;
  /** The time for a graceful stop is over: ends what is left. May be called again. */
  stopNow(): void;
  /** Bytes that are kept for it: what it has sent and nobody has taken, and what it has not taken. */
  readonly held: number;
  /** For how long it has taken nothing of what it was sent, in ms; 0: it has taken all. */
  readonly stuckMs: number;
  /** Memory is short: closes when nothing is under way. */
  relieve(): void;
  /** Ends at once, whatever is under way. */
  shed(): void;
}
