import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/timing/clock.ts';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock that stands until it is moved. */
export class FakeClock implements Clock {
  #elapsed = 0;
  #epoch = 1_700_000_000_000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#epoch + this.#elapsed;
  }

  set(callback: () => void, ms: number): Timer {
    const timer = { at: this.#elapsed + ms, callback };
    this.#timers.add(timer);
    return timer;
  }

  clear(handle: unknown): void {
    this.#timers.delete(handle as Timer);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Somebody sets the time of day; timers do not mind. */
  setBack(ms: number): void {
    this.#epoch -= ms;
  }

  /** Moves the time on, running what is due in order, each with what it starts at once. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsed + ms;
    for (;;) {
      let next: Timer | undefined;
      for (const timer of this.#timers)
        if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer;
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#elapsed = Math.max(this.#elapsed, next.at);
      next.callback();
      await setImmediate();
    }
    this.#elapsed = until;
  }
}
