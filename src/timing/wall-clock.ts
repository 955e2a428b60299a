/** Tells the time of day by the monotonic clock, so that a request reads one clock and not two. */
export class WallClock {
  /** Between the monotonic clock and that of the day, as of the latest tick. */
  #offset = Date.now() - performance.now();

  /** Takes over what the clock of the day says by now: it may have been set. */
  tick(): void {
    this.#offset = Date.now() - performance.now();
  }

  /** @param at by performance.now @returns ms since epoch, with fractions */
  at(at: number): number {
    return at + this.#offset;
  }
}
