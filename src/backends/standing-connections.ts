import type { SharedLayout } from './shared-layout.ts';

/** Connections to the backends that are open, counted over all threads: each counts its own, in memory that all see. */
export class StandingConnections {
  readonly #cells: Int32Array;
  readonly #stride: number;
  readonly #own: number;

  /** @param row of this thread, see SharedLayout */
  constructor({ standing, rowInts }: SharedLayout, row: number) {
    this.#cells = standing;
    this.#stride = rowInts;
    this.#own = row * rowInts;
  }

  /** One more of this thread is open. */
  add(slot: number): void {
    Atomics.add(this.#cells, this.#own + slot, 1);
  }

  /**
   * One of this thread has closed. @returns whether none is left, of all threads; of several that close the last ones
   * at once, at least one is told true
   */
  remove(slot: number): boolean {
    Atomics.sub(this.#cells, this.#own + slot, 1);
    return this.count(slot) === 0;
  }

  /** How many there are, of all threads. */
  count(slot: number): number {
    let sum = 0;
    for (let at = slot; at < this.#cells.length; at += this.#stride) sum += Atomics.load(this.#cells, at);
    return sum;
  }
}
