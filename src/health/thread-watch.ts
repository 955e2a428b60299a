/** Looks in a row without an answer after which the connection is let go: 400 ms with those of LifeWatch. */
const SILENT_LOOKS = 2;
/**
 * The same when an answer came a moment after the last time: whoever takes about that long by himself answers within
 * this, and has shown that the connection is not in his way.
 */
const DOUBTFUL_LOOKS = 4;
/** An answer that comes so soon after, ms, has waited for it. */
const MOMENT_MS = 100;
/** So often in a row: one may be chance. */
const STRIKES = 2;
/** Answers beside a held connection, by looks, until it is certain that the server can give them. */
const PROOFS = 3;

/** What is to become of the connection that is held. */
export const Verdict = { keep: 0, letGo: 1, never: 2 } as const;

/**
 * Finds out whether the connection that is held to one backend keeps it from answering others: a server with one thread
 * waits there for the next request. When requests are in flight and none is answered, the connection is let go; when
 * answers come a moment after that, and again, none is held any more.
 */
export class ThreadWatch {
  #held: object | null = null;
  #answers = 0;
  #proofs = 0;
  #silent = 0;
  #letGoAt = Number.NEGATIVE_INFINITY;
  #strikes = 0;

  /** It is known that the server answers beside it: there is nothing to watch. */
  get proven(): boolean {
    return this.#proofs >= PROOFS;
  }

  /** The connection was let go a moment ago: another look is due soon. */
  waits(now: number): boolean {
    const since = now - this.#letGoAt;
    // Below 0: the clock was set back.
    return since >= 0 && since <= MOMENT_MS;
  }

  /**
   * One look.
   * @param held the connection that is held; null: none
   * @param active requests in flight
   * @param answers of the backend so far
   * @param now ms
   * @returns a value of Verdict
   */
  look(held: object | null, active: number, answers: number, now: number): number {
    const answered = answers !== this.#answers;
    this.#answers = answers;
    if (answered && this.waits(now)) {
      this.#letGoAt = Number.NEGATIVE_INFINITY;
      if (++this.#strikes >= STRIKES) return Verdict.never;
    } else if (!this.waits(now) && this.#letGoAt > 0) {
      this.#letGoAt = Number.NEGATIVE_INFINITY;
      this.#strikes = 0;
    }
    const same = held !== null && held === this.#held;
    this.#held = held;
    if (same && answered) {
      this.#proofs++;
      this.#strikes = 0;
    }
    this.#silent = same && !answered && active > 0 ? this.#silent + 1 : 0;
    if (this.#silent < (this.#strikes === 0 ? SILENT_LOOKS : DOUBTFUL_LOOKS) || this.proven) return Verdict.keep;
    this.#silent = 0;
    this.#held = null;
    this.#letGoAt = now;
    return Verdict.letGo;
  }
}
