/** Time over which a rate is looked at, in ms: short stalls are nobody's fault. */
const WINDOW_MS = 30_000;

/**
 * Whether a client moves the bytes that it is waited for at a least rate. Time in which nobody waits for it does not
 * count.
 */
export class LeastRate {
  /** Since when it is waited for; -1: it is not. */
  #since = -1;
  #waitedMs = 0;
  #bytes = 0;

  /** Begins anew: another message. */
  reset(): void {
    this.#since = -1;
    this.#waitedMs = 0;
    this.#bytes = 0;
  }

  /** It is waited for. @param now by the wheel, which counts no pause of limpet's own */
  wait(now: number): void {
    if (this.#since < 0) this.#since = now;
  }

  /** It is not waited for any more: something else is in its way. */
  hold(now: number): void {
    if (this.#since < 0) return;
    this.#waitedMs += now - this.#since;
    this.#since = -1;
  }

  /** It has moved so many. @param rate bytes per second; 0: any will do @returns false: that was too slow */
  moved(bytes: number, now: number, rate: number): boolean {
    this.hold(now);
    this.#bytes += bytes;
    if (this.#waitedMs < WINDOW_MS) return true;
    const enough = this.#bytes * 1_000 >= rate * this.#waitedMs;
    this.#waitedMs = 0;
    this.#bytes = 0;
    return enough;
  }
}
