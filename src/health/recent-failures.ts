import type { Backend } from '../backends/backend.ts';

/**
 * When the backends of a pool last failed, as one worker saw it. What a process did that has ended says nothing of the
 * one that answers in its place.
 */
export class RecentFailures {
  /** By slot: when, in ms of the worker's wheel, in which life, and whether that life had answered. */
  readonly #at: number[] = [];
  readonly #life: number[] = [];
  readonly #answered: boolean[] = [];

  /** @param now in ms of the worker's wheel */
  note({ slot, life }: Backend, now: number): void {
    this.#at[slot] = now;
    this.#life[slot] = life.number;
    this.#answered[slot] = life.hasAnswered;
  }

  /** How long ago that was, ms; Infinity: it has not failed, or has begun anew since. */
  ago({ slot, life }: Backend, now: number): number {
    const at = this.#at[slot];
    if (at === undefined || this.#life[slot] !== life.number) return Number.POSITIVE_INFINITY;
    return this.#answered[slot] || !life.hasAnswered ? now - at : Number.POSITIVE_INFINITY;
  }
}
