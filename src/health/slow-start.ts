import type { SharedState } from '../backends/shared-state.ts';

const STEPS = 10;

/** Brings recovered backends to their full weight in ten even steps (behaviour 43). */
export class SlowStart {
  readonly #state: SharedState;
  readonly #ramps = new Map<number, { readonly began: number; readonly duration: number }>();

  constructor(state: SharedState) {
    this.#state = state;
  }

  /**
   * The backend at `slot` has recovered; call it before it becomes usable. `duration` in ms, 0: full weight at once.
   */
  begin(slot: number, duration: number, now: number): void {
    if (duration === 0) return;
    this.#ramps.set(slot, { began: now, duration });
    this.#state.setSlowStart(slot, 1 / STEPS);
  }

  /** The backend is out of use again or gone. */
  cancel(slot: number): void {
    if (this.#ramps.delete(slot)) this.#state.setSlowStart(slot, 1);
  }

  /** Raises the weights to where they should be by now. */
  advance(now: number): void {
    for (const [slot, { began, duration }] of this.#ramps) {
      const step = 1 + Math.floor((STEPS * (now - began)) / duration);
      // A step below 1: the clock was set back. Better the full weight early than never.
      if (step < 1 || step >= STEPS + 1) this.cancel(slot);
      else this.#state.setSlowStart(slot, step / STEPS);
    }
  }
}
