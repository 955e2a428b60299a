import type { StopTimes } from './stop-times.ts';

/** A connection of a client as its listener has it, whatever it speaks: what a graceful stop needs. */
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
}
