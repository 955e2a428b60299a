import type { SharedLayout } from './shared-layout.ts';

/** Clocks of two machines may differ by so much, ms. */
const SKEW_MS = 2_000;
const STAMPS = 0x10000;
/** What a cell holds. */
const LAST_NUMBER = 2 ** 31 - 1;
/** Lives that are told apart: those before are taken for a backend that is gone. */
const TOLD_APART = 0x8000;

/**
 * The lives of one backend (behaviour 114), in memory that every thread sees. A life ends when the backend's process
 * does, and what that process had in memory is gone with it; a backend that only does not answer keeps its life.
 *
 * Nothing is swept when a life ends. A row of the session table holds the **stamp** of the life in which its backend
 * answered, 16 bits: the generation of the backend's place in its first life, one more with each life after that. So a
 * row tells by one number whether its backend is gone, was restarted, or still has its state.
 */
export class BackendLife {
  readonly #life: Int32Array;
  readonly #began: Float64Array;
  readonly #answered: Int32Array;
  readonly #slot: number;
  /** The stamp of life n is n more than this. */
  readonly #base: number;

  /** @param generation the stamp of its first life */
  constructor(layout: SharedLayout, slot: number, generation: number) {
    this.#life = layout.life;
    this.#began = layout.lifeBegan;
    this.#answered = layout.answered;
    this.#slot = slot;
    this.#base = generation - 1;
  }

  /** Which life this is, from 1. It only ever rises. */
  get number(): number {
    return Atomics.load(this.#life, this.#slot);
  }

  /** As `number`, for each request: `Atomics.load` is a call (15 ns), which V8 does not inline. HOT */
  get current(): number {
    return this.#life[this.#slot]!;
  }

  /** When this life began, ms since epoch; 0: before limpet knew the backend. */
  get began(): number {
    return this.#began[this.#slot * 2 + (this.number & 1)]!;
  }

  /** What a row has that is bound to the backend now. HOT */
  get stamp(): number {
    return (this.#base + this.#life[this.#slot]!) & (STAMPS - 1);
  }

  /** Whether a row with this stamp is bound to this life of it. HOT */
  isNow(stamp: number): boolean {
    return ((this.#base + this.#life[this.#slot]!) & (STAMPS - 1)) === stamp;
  }

  /**
   * Whether this may be the low 3 bits of a stamp that it owns: the other backends of its slot are ruled out for as
   * long as it has had few lives.
   */
  endsWith(bits: number): boolean {
    return ((this.stamp - bits) & 7) < this.number;
  }

  /**
   * Whether a row with this stamp names this backend, in whichever life; otherwise one that had its slot before
   * (behaviour 12). HOT
   */
  owns(stamp: number): boolean {
    return this.#age(stamp) >= 0;
  }

  /** The life that a stamp is of; 0: of another backend. */
  numberOf(stamp: number): number {
    const age = this.#age(stamp);
    return age < 0 ? 0 : this.number - age;
  }

  /**
   * The stamp of a life; of one that is too long ago to be told apart, or yet to come, that of the nearest one that is
   * not.
   */
  stampOf(life: number): number {
    const now = this.number;
    const nearest = Math.max(1, now - TOLD_APART + 1, Math.min(life, now));
    return (this.#base + nearest) & (STAMPS - 1);
  }

  /** The stamp of what was bound to the backend at this time, ms since epoch by the clock of any node. */
  stampAt(time: number): number {
    const { number, began } = this;
    return number > 1 && time < began - SKEW_MS ? this.stampOf(number - 1) : this.stampOf(number);
  }

  /**
   * The stamp of a session as another process has it. A life that this process has not heard of has begun since.
   * @param life which one it is bound to; 0: not known, that process is limpet 0.1
   * @param seen when it was last seen, ms since epoch; 0: now
   */
  stampBy(life: number, seen: number, now: number): number {
    if (life === 0) return this.stampAt(seen === 0 ? now : seen);
    if (life > this.number) this.reach(life, now);
    return this.stampOf(life);
  }

  /**
   * Notes that the backend has answered in this life: from here on it can end. HOT
   * @param life the number when it was asked: what was asked in an earlier life says nothing of this one
   */
  answer(life = this.number): void {
    if (this.#answered[this.#slot] !== life && this.number === life) Atomics.store(this.#answered, this.#slot, life);
  }

  /** Whether it has answered in this life. A crash loop is one life. */
  get hasAnswered(): boolean {
    return Atomics.load(this.#answered, this.#slot) === this.number;
  }

  /** Notes that connections are accepted again, in this life, which has not answered yet. */
  accept(life = this.number): void {
    const before = Atomics.load(this.#answered, this.#slot);
    if (before !== life && this.number === life) Atomics.compareExchange(this.#answered, this.#slot, before, -life);
  }

  /**
   * Whether it has answered in this life, or accepts connections at least: until then its process is one that is gone.
   */
  get isBack(): boolean {
    return Math.abs(Atomics.load(this.#answered, this.#slot)) === this.number;
  }

  /**
   * A life has ended, and the next one begins. Of several threads that saw it end, one is told true.
   * @param life the one that was seen to end: another one has begun since if this is not the number any more
   * @param now ms since epoch
   */
  end(life: number, now: number): boolean {
    return this.reach(life + 1, now, life);
  }

  /**
   * Goes on with the number that another process has, a later one: what that process saw end has ended.
   * @param began ms since epoch; 0: not known
   * @param from the number that is to be left; absent: whichever there is
   * @returns whether the number has changed by this call
   */
  reach(life: number, began: number, from = this.number): boolean {
    if (!(life > from && life <= LAST_NUMBER) || this.number !== from) return false;
    // Written before the number is, in the cell that the running life does not use when the number goes up by one.
    const cell = this.#slot * 2 + (life & 1);
    const before = this.#began[cell]!;
    this.#began[cell] = began;
    if (Atomics.compareExchange(this.#life, this.#slot, from, life) === from) return true;
    // The other call has written what is as good.
    if (((this.number ^ life) & 1) === 1) this.#began[cell] = before;
    return false;
  }

  #age(stamp: number): number {
    const life = this.#life[this.#slot]!;
    const age = (this.#base + life - stamp) & (STAMPS - 1);
    return age < Math.min(life, TOLD_APART) ? age : -1;
  }
}
