import type { TimerWheel } from '../timing/timer-wheel.ts';
import type { StopTimes } from './stop-times.ts';

/**
 * Shares of the grace of a stop: WebSockets are told within the first, as event streams end, and do not wait for the
 * end of a message after the second.
 */
const SPREAD = 0.8;
const URGENT = 0.9;

/**
 * When a connection ends at a graceful stop, and how. Before the stop nothing is due, or everything that only a stop
 * asks for.
 */
export class StopSchedule {
  #idleUntil = Number.POSITIVE_INFINITY;
  #idleMs = 0;
  /** When a WebSocket is told, or an event stream ends, and when that gets urgent, by `wheel.due`. */
  #goAwayAt = 0;
  #urgentAt = 0;

  /** @param random in [0, 1): spreads what is told, so that clients do not all come back to another process at once */
  begin({ grace, idle }: StopTimes, random: () => number, wheel: TimerWheel): void {
    this.#idleMs = idle;
    this.#idleUntil = wheel.at(idle);
    this.#goAwayAt = wheel.at(random() * SPREAD * grace);
    this.#urgentAt = wheel.at(URGENT * grace);
  }

  /**
   * The client may have sent its next request before it heard of the stop: the connection may lie idle for as long once
   * more.
   */
  extendIdle(wheel: TimerWheel): void {
    this.#idleUntil = wheel.at(this.#idleMs);
  }

  /** It has been idle for long enough. @param due by the wheel */
  endsIdle(due: number): boolean {
    return due >= this.#idleUntil;
  }

  /** An event stream is to end. */
  endsStream(due: number): boolean {
    return due >= this.#goAwayAt;
  }

  /** A WebSocket is to be told, once and, when that gets urgent, once more. Null: not now. @param due by the wheel */
  goAway(due: number): { readonly urgent: boolean } | null {
    if (due < this.#goAwayAt) return null;
    const urgent = due >= this.#urgentAt;
    this.#goAwayAt = urgent ? Number.POSITIVE_INFINITY : this.#urgentAt;
    return { urgent };
  }
}
